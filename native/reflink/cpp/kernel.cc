#include "kernel.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>

namespace reflink {
namespace {

// <linux/openat2.h> and <linux/fsverity.h> are younger than the glibc we build against.
constexpr long kSysOpenat2 = 437;
struct OpenHow {
  uint64_t flags, mode, resolve;
};
struct VerityEnableArg {
  uint32_t version, hash_algorithm, block_size, salt_size;
  uint64_t salt_ptr;
  uint32_t sig_size, reserved1;
  uint64_t sig_ptr, reserved2[11];
};
struct VerityDigest {
  uint16_t algorithm, size;
  uint8_t digest[kMaxDigestBytes];
};
constexpr unsigned long kIoctlEnableVerity = 0x40806685, kIoctlMeasureVerity = 0xc0046686;
constexpr unsigned long kIoctlClone = 0x40049409;
constexpr int kOfdSetLock = 37;
constexpr int kAgainTries = 1000;

std::atomic<bool> openat2_available{true};
std::atomic<bool> tmpfile_available{true};

int result_of(long value) { return value < 0 ? -errno : static_cast<int>(value); }

// What the RESOLVE flags ask for, by hand: no component may be a symlink, `..` or on another file system.
int open_by_walk(int dir, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  if (path[0] == '/') return -EXDEV;
  struct stat start;
  if (fstat(dir, &start) < 0) return -errno;
  Fd held;
  int at = dir;
  for (const char* rest = path;;) {
    while (*rest == '/') rest++;
    const char* slash = strchr(rest, '/');
    const std::string name = slash ? std::string(rest, slash) : std::string(rest);
    if (name == "..") return -EXDEV;
    if (path[0] == '\0') return -ENOENT;
    if (!slash || slash[strspn(slash, "/")] == '\0') {
      Fd last(openat(at, name.empty() ? "." : name.c_str(), static_cast<int>(flags) | O_NOFOLLOW, mode));
      if (!last.valid()) return -errno;
      struct stat st;
      if (fstat(last.get(), &st) < 0) return -errno;
      // O_PATH opens the link itself, which openat2 does only when the caller says O_NOFOLLOW.
      if (S_ISLNK(st.st_mode) && !(flags & O_NOFOLLOW)) return -ELOOP;
      if ((resolve & kResolveNoXdev) && st.st_dev != start.st_dev) return -EXDEV;
      return last.release();
    }
    Fd next(openat(at, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next.valid()) return -errno;
    struct stat st;
    if (fstat(next.get(), &st) < 0) return -errno;
    if (S_ISLNK(st.st_mode)) return -ELOOP;
    if (!S_ISDIR(st.st_mode)) return -ENOTDIR;
    held = std::move(next);
    at = held.get();
    rest = slash;
  }
}

}  // namespace

void Fd::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void set_openat2_available(bool available) { openat2_available.store(available, std::memory_order_relaxed); }

int open_at2(int dir, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  if (openat2_available.load(std::memory_order_relaxed)) {
    OpenHow how = {flags, mode, resolve};
    int fd;
    int tries = 0;
    do {
      fd = result_of(syscall(kSysOpenat2, dir, path, &how, sizeof how));
    } while ((fd == -EAGAIN || fd == -EINTR) && ++tries < kAgainTries);
    if (fd != -ENOSYS) return fd;
    set_openat2_available(false);
  }
  return resolve == 0 ? result_of(openat(dir, path, static_cast<int>(flags), static_cast<mode_t>(mode)))
                      : open_by_walk(dir, path, flags, mode, resolve);
}

int clone_file(int destination, int source) { return result_of(ioctl(destination, kIoctlClone, source)); }

int enable_verity(int fd, Algorithm algorithm) {
  VerityEnableArg arg = {};
  arg.version = 1;
  arg.hash_algorithm = static_cast<uint32_t>(algorithm);
  arg.block_size = 4096;
  return result_of(ioctl(fd, kIoctlEnableVerity, &arg));
}

int measure_verity(int fd, Algorithm algorithm, uint8_t* out) {
  const size_t size = digest_bytes(algorithm);
  VerityDigest digest = {};
  digest.size = static_cast<uint16_t>(size);
  const int result = result_of(ioctl(fd, kIoctlMeasureVerity, &digest));
  if (result < 0) return result;
  if (digest.algorithm != static_cast<int>(algorithm) || digest.size != size) return -EOVERFLOW;
  memcpy(out, digest.digest, size);
  return 0;
}

int ofd_lock(int fd, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return result_of(fcntl(fd, kOfdSetLock, &lock));
}

void set_tmpfile_available(bool available) { tmpfile_available.store(available, std::memory_order_relaxed); }

int open_tmpfile(int dir, const char* path, mode_t mode) {
  if (!tmpfile_available.load(std::memory_order_relaxed)) return -EOPNOTSUPP;
  return result_of(openat(dir, path, O_RDWR | O_TMPFILE | O_CLOEXEC | O_NOFOLLOW, mode));
}

int reopen_read_only(int fd) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return result_of(open(path, O_RDONLY | O_CLOEXEC));
}

int link_fd(int fd, int dir, const char* path) {
  // Without CAP_DAC_READ_SEARCH this is ENOENT, as it is where a directory of `path` is missing; the way through /proc
  // needs no privilege, but a walk through that file system.
  const int result = link_inode(fd, dir, path);
  if (result != -ENOENT) return result;
  char self[32];
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  return result_of(linkat(AT_FDCWD, self, dir, path, AT_SYMLINK_FOLLOW));
}

int link_inode(int fd, int dir, const char* path) { return result_of(linkat(fd, "", dir, path, AT_EMPTY_PATH)); }

bool is_metacopy(int fd) {
  if (flistxattr(fd, nullptr, 0) == 0) return false;  // one call for the many files without any
  return fgetxattr(fd, "trusted.overlay.metacopy", nullptr, 0) >= 0 ||
         fgetxattr(fd, "user.overlay.metacopy", nullptr, 0) >= 0;
}

ssize_t read_at(int fd, uint8_t* buffer, size_t length, uint64_t offset) {
  size_t done = 0;
  while (done < length) {
    const ssize_t n = pread(fd, buffer + done, length - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(done);
}

int write_all(int fd, const uint8_t* data, size_t length) {
  while (length > 0) {
    const ssize_t n = write(fd, data, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    data += n, length -= static_cast<size_t>(n);
  }
  return 0;
}

}  // namespace reflink
