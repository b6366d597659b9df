#include "staging.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <utility>

namespace reflink {
namespace {

constexpr mode_t kObjectMode = 0644;
constexpr int kNameTries = 16;
constexpr unsigned kRenameNoReplace = 1;

// Another one each time.
std::array<char, 3> any_directory() {
  static std::atomic<uint8_t> next{0};
  static const char* kHex = "0123456789abcdef";
  const uint8_t byte = next.fetch_add(1, std::memory_order_relaxed);
  return {kHex[byte >> 4], kHex[byte & 15], '\0'};
}

}  // namespace

std::string temporary_name() {
  static const char* kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  uint8_t random[12];
  std::string name = ".tmp-object-";
  if (getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) memset(random, 0, sizeof random);
  for (const uint8_t byte : random) name += kAlphabet[byte % 62];
  return name;
}

int Staging::open(int objects_fd, const char* directory) {
  discard();
  objects_fd_ = objects_fd;
  int fd = open_tmpfile(objects_fd, directory ? directory : any_directory().data(), kObjectMode);
  if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) fd = open_tmpfile(objects_fd, ".", kObjectMode);
  bool named = fd == -EOPNOTSUPP;
  for (int i = 0; named && i < kNameTries; i++) {
    name_ = temporary_name();
    fd = openat(objects_fd, name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kObjectMode);
    if (fd < 0) fd = -errno;
    if (fd < 0) name_.clear();
    named = fd == -EEXIST;
  }
  if (fd < 0) return fd;
  fd_ = Fd(fd);
  return 0;
}

int Staging::seal() {
  const int fd = reopen_read_only(fd_.get());
  if (fd < 0) return fd;
  fd_ = Fd(fd);
  return 0;
}

int Staging::link_as(const char* path) {
  if (name_.empty()) return link_fd(fd_.get(), objects_fd_, path);
  if (syscall(SYS_renameat2, objects_fd_, name_.c_str(), objects_fd_, path, kRenameNoReplace) == 0) {
    name_.clear();
    return 0;
  }
  if (errno != EINVAL) return -errno;
  // No RENAME_NOREPLACE here; a second name does the same, and discard() takes the first.
  return linkat(objects_fd_, name_.c_str(), objects_fd_, path, 0) < 0 ? -errno : 0;
}

int Staging::replace(const char* path) {
  if (name_.empty()) {
    std::string name = temporary_name();
    const int result = link_fd(fd_.get(), objects_fd_, name.c_str());
    if (result < 0) return result;
    name_ = std::move(name);
  }
  if (renameat(objects_fd_, name_.c_str(), objects_fd_, path) < 0) return -errno;
  name_.clear();
  return 0;
}

void Staging::discard() {
  if (!name_.empty()) unlinkat(objects_fd_, name_.c_str(), 0);
  name_.clear();
  fd_.close();
}

void Staging::swap(Staging& other) {
  std::swap(objects_fd_, other.objects_fd_);
  std::swap(fd_, other.fd_);
  std::swap(name_, other.name_);
}

}  // namespace reflink
