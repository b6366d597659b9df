// Thin wrappers over Linux calls. Results below zero are negative errnos.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "sha2.h"

namespace reflink {

// A file descriptor that is closed when it goes out of scope.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = other.release();
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { close(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void close();

 private:
  int fd_ = -1;
};

constexpr uint64_t kResolveNoXdev = 0x01, kResolveNoMagiclinks = 0x02, kResolveNoSymlinks = 0x04, kResolveBeneath = 0x08;

// openat2(2); EAGAIN is retried, ENOSYS answered by a walk that refuses every symlink.
int open_at2(int dir, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve);
void set_openat2_available(bool available);  // for tests of the walk
void set_tmpfile_available(bool available);  // for tests of named temporary files

int clone_file(int destination, int source);                    // FICLONE
int enable_verity(int fd, Algorithm algorithm);                 // FS_IOC_ENABLE_VERITY, 4096-byte blocks
int measure_verity(int fd, Algorithm algorithm, uint8_t* out);  // FS_IOC_MEASURE_VERITY, checks the algorithm
int ofd_lock(int fd, short type);                               // F_OFD_SETLK over the whole file
int open_tmpfile(int dir, const char* path, mode_t mode);       // O_TMPFILE in a directory, symlinks not followed
int reopen_read_only(int fd);                                   // through /proc/self/fd
int link_fd(int fd, int dir, const char* path);                 // by /proc/self/fd, gives an unnamed file its name
int link_inode(int fd, int dir, const char* path);              // AT_EMPTY_PATH, one more name for any file
bool is_metacopy(int fd);                                       // overlayfs metacopy xattr present

ssize_t read_at(int fd, uint8_t* buffer, size_t length, uint64_t offset);  // whole length unless the file ends
int write_all(int fd, const uint8_t* data, size_t length);

}  // namespace reflink
