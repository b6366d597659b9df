#include "object_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace reflink {
namespace {

constexpr mode_t kObjectMode = 0644, kDirectoryMode = 0755;
constexpr int kBusyTries = 3;
constexpr int kNameTries = 16;
constexpr unsigned kRenameNoReplace = 1;

// XX/rest… of a digest.
struct ObjectPath {
  char text[2 * kMaxDigestBytes + 2];
  char directory[3];

  ObjectPath(const uint8_t* digest, size_t size) {
    static const char* kHex = "0123456789abcdef";
    char* out = text;
    for (size_t i = 0; i < size; i++) {
      *out++ = kHex[digest[i] >> 4], *out++ = kHex[digest[i] & 15];
      if (i == 0) *out++ = '/';
    }
    *out = '\0';
    memcpy(directory, text, 2);
    directory[2] = '\0';
  }
};

std::string temporary_name() {
  static const char* kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  uint8_t random[12];
  std::string name = ".tmp-object-";
  if (getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) memset(random, 0, sizeof random);
  for (const uint8_t byte : random) name += kAlphabet[byte % 62];
  return name;
}

bool cancelled(const std::atomic<int32_t>* flag) { return flag && flag->load(std::memory_order_relaxed) != 0; }

bool unsupported(int error) { return error == -ENOTTY || error == -EOPNOTSUPP; }

}  // namespace

Scratch& scratch(Algorithm algorithm) {
  thread_local std::unique_ptr<Scratch> per_algorithm[2];
  auto& slot = per_algorithm[algorithm == Algorithm::kSha512 ? 1 : 0];
  if (!slot) slot = std::make_unique<Scratch>(algorithm);
  slot->hasher.reset();
  return *slot;
}

int Staging::open(int objects_fd) {
  discard();
  objects_fd_ = objects_fd;
  int fd = open_tmpfile(objects_fd, kObjectMode);
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

Fd open_source(const std::vector<int>& dirs, const SourceItem& item, uint64_t* size, dev_t* device, Row& row) {
  constexpr uint64_t kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  constexpr uint64_t kResolve = kResolveBeneath | kResolveNoMagiclinks | kResolveNoXdev;
  bool stub = false;
  int error = -ENOENT;
  for (const int dir : dirs) {
    const int fd = open_at2(dir, item.path.c_str(), kFlags, 0, kResolve);
    if (fd < 0) {
      error = fd;
      if (fd == -ENOENT || fd == -ENOTDIR) continue;
      break;
    }
    Fd file(fd);
    struct stat st;
    if (fstat(fd, &st) < 0) {
      row.fail(Outcome::kFailedOpen, -errno);
      return Fd();
    }
    if (!S_ISREG(st.st_mode)) {
      row.fail(Outcome::kFailedNotRegular);
      return Fd();
    }
    // Blocks tell nothing: those of a stub hold its attributes.
    if (st.st_size > 0 && is_metacopy(fd)) {
      stub = true;
      continue;
    }
    const uint64_t found = static_cast<uint64_t>(st.st_size);
    if (item.size != kAnySize && found != item.size) {
      row.fail(Outcome::kFailedSize, 0, found);
      return Fd();
    }
    *size = found;
    *device = st.st_dev;
    return file;
  }
  if (stub && (error == -ENOENT || error == -ENOTDIR)) {
    row.fail(Outcome::kFailedMetacopy);
  } else {
    row.fail(Outcome::kFailedOpen, error);
  }
  return Fd();
}

void read_whole(int fd, uint64_t size, const SourceItem& item, Row& row) {
  row.content.resize(size + 1);  // one more, to see a file that has grown since
  const ssize_t n = read_at(fd, row.content.data(), size + 1, 0);
  if (n < 0) return row.fail(Outcome::kFailedRead, static_cast<int>(n));
  if (static_cast<uint64_t>(n) != size) return row.fail(Outcome::kFailedSize, 0, static_cast<uint64_t>(n));
  row.content.resize(size);
  if (item.check_crc) {
    Crc64 crc;
    crc.update(row.content.data(), size);
    if (crc.value() != item.crc) return row.fail(Outcome::kFailedCrc);
  }
  row.outcome = Outcome::kInline;
  row.size = size;
}

void read_file(const std::vector<int>& dirs, const SourceItem& item, uint64_t limit, Row& row) {
  uint64_t size = 0;
  dev_t device = 0;
  const Fd file = open_source(dirs, item, &size, &device, row);
  if (!file.valid()) return;
  if (size > limit) return row.fail(Outcome::kFailedSize, 0, size);
  read_whole(file.get(), size, item, row);
}

bool ObjectStore::known_unclonable(dev_t device) {
  std::lock_guard<std::mutex> hold(mutex_);
  return unclonable_.count(device) > 0;
}

// True: cloned. False: this pair of file systems cannot, or the failure is in `row`.
bool ObjectStore::clone_into(Staging& staging, int source, dev_t device, Row& row) {
  if (known_unclonable(device)) return false;
  const int result = clone_file(staging.fd(), source);
  if (result >= 0) return true;
  if (result == -EOPNOTSUPP || result == -EXDEV) {
    std::lock_guard<std::mutex> hold(mutex_);
    unclonable_.insert(device);
  } else {
    row.fail(Outcome::kFailedReflink, result);
  }
  return false;
}

void ObjectStore::store_file(const std::vector<int>& dirs, const SourceItem& item,
                             const std::atomic<int32_t>* cancel, Row& row) {
  row.outcome = Outcome::kCopied;
  uint64_t size = 0;
  dev_t device = 0;
  const Fd source = open_source(dirs, item, &size, &device, row);
  if (!source.valid()) return;
  if (item.inline_content) return read_whole(source.get(), size, item, row);
  SourceItem found;
  found.size = size, found.check_crc = item.check_crc, found.crc = item.crc;
  store_open_file(source.get(), device, found, cancel, row);
}

void ObjectStore::store_open_file(int source, dev_t device, const SourceItem& item,
                                  const std::atomic<int32_t>* cancel, Row& row) {
  row.outcome = Outcome::kCopied;
  const uint64_t size = item.size;
  if (copies_from_memory(size, device)) return copy_from_memory(source, item, row);
  Staging staging;
  if (const int error = staging.open(settings_.objects_fd); error < 0) return row.fail(Outcome::kFailedStage, error);
  uint8_t digest[kMaxDigestBytes];
  if (clone_into(staging, source, device, row)) {
    // From here on only the clone counts: the source may change under us.
    struct stat st;
    if (fstat(staging.fd(), &st) < 0) return row.fail(Outcome::kFailedStage, -errno);
    const uint64_t cloned = static_cast<uint64_t>(st.st_size);
    if (cloned != size) return row.fail(Outcome::kFailedSize, 0, cloned);
    if (digest_and_check(staging.fd(), item, digest, cancel, row)) {
      commit(staging, digest, size, Outcome::kReflinked, row);
    }
    return;
  }
  if (row.failed()) return;
  if (settings_.hardlink && hardlink(source, item, cancel, row)) return;
  if (row.failed()) return;
  if (!settings_.copy) return row.fail(Outcome::kFailedCopyRefused);

  Scratch& local = scratch(settings_.algorithm);
  Crc64 crc;
  uint64_t offset = 0;
  for (;;) {
    if (cancelled(cancel)) return row.fail(Outcome::kCancelled);
    const ssize_t n = read_at(source, local.buffer.data(), local.buffer.size(), offset);
    if (n < 0) return row.fail(Outcome::kFailedRead, static_cast<int>(n));
    if (n == 0) break;
    const size_t length = static_cast<size_t>(n);
    if (!settings_.verity) local.hasher.update(local.buffer.data(), length);
    if (item.check_crc) crc.update(local.buffer.data(), length);
    if (const int error = write_all(staging.fd(), local.buffer.data(), length); error < 0) {
      return row.fail(Outcome::kFailedWrite, error);
    }
    offset += length;
    if (offset > size) break;  // growing while we read
  }
  if (offset != size) return row.fail(Outcome::kFailedSize, 0, offset);
  if (item.check_crc && crc.value() != item.crc) return row.fail(Outcome::kFailedCrc);
  if (!settings_.verity) local.hasher.finish(digest);
  commit(staging, digest, size, Outcome::kCopied, row);
}

// A file that fits the buffer, where only a copy is left to try: hashed before anything is written, because often
// enough the object is there already.
bool ObjectStore::copies_from_memory(uint64_t size, dev_t device) {
  return !settings_.verity && !settings_.hardlink && settings_.copy &&
         size < scratch(settings_.algorithm).buffer.size() && known_unclonable(device);
}

void ObjectStore::copy_from_memory(int source, const SourceItem& item, Row& row) {
  uint8_t* data = scratch(settings_.algorithm).buffer.data();
  const ssize_t n = read_at(source, data, item.size + 1, 0);  // one more, to see a file that has grown since
  if (n < 0) return row.fail(Outcome::kFailedRead, static_cast<int>(n));
  if (static_cast<uint64_t>(n) != item.size) return row.fail(Outcome::kFailedSize, 0, static_cast<uint64_t>(n));
  if (item.check_crc) {
    Crc64 crc;
    crc.update(data, item.size);
    if (crc.value() != item.crc) return row.fail(Outcome::kFailedCrc);
  }
  store_buffer(data, item.size, row);
}

// Reads the file once for both checks. In a verity repository the kernel hashes, so only the CRC is ours.
bool ObjectStore::digest_and_check(int fd, const SourceItem& item, uint8_t* digest,
                                   const std::atomic<int32_t>* cancel, Row& row) {
  const bool hash = !settings_.verity;
  if (!hash && !item.check_crc) return true;
  Scratch& local = scratch(settings_.algorithm);
  Crc64 crc;
  for (uint64_t offset = 0; offset < item.size;) {
    if (cancelled(cancel)) return row.fail(Outcome::kCancelled), false;
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(local.buffer.size(), item.size - offset));
    const ssize_t n = read_at(fd, local.buffer.data(), wanted, offset);
    if (n < 0) return row.fail(Outcome::kFailedRead, static_cast<int>(n)), false;
    if (n == 0) return row.fail(Outcome::kFailedSize, 0, offset), false;
    if (hash) local.hasher.update(local.buffer.data(), static_cast<size_t>(n));
    if (item.check_crc) crc.update(local.buffer.data(), static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  if (item.check_crc && crc.value() != item.crc) return row.fail(Outcome::kFailedCrc), false;
  if (hash) local.hasher.finish(digest);
  return true;
}

// One more name for the source's own inode. False with an untouched row: could not, so copy.
bool ObjectStore::hardlink(int source, const SourceItem& item, const std::atomic<int32_t>* cancel, Row& row) {
  if (!digest_and_check(source, item, row.id.data(), cancel, row)) return false;
  if (settings_.verity) {
    const int enabled = enable_verity(source, settings_.algorithm);
    if (enabled < 0 && enabled != -EEXIST) return false;
    if (measure_verity(source, settings_.algorithm, row.id.data()) < 0) return false;
  }
  return name(nullptr, source, item.size, Outcome::kHardlinked, row);
}

void ObjectStore::store_buffer(const uint8_t* data, size_t length, Row& row) {
  row.outcome = Outcome::kCopied;
  Scratch& local = scratch(settings_.algorithm);
  local.hasher.update(data, length);
  uint8_t digest[kMaxDigestBytes];
  local.hasher.finish(digest);
  // Small contents repeat a lot (licences, empty JSON): look before writing.
  const ObjectPath path(digest, digest_bytes(settings_.algorithm));
  if (stands(path.text, length, digest)) {
    memcpy(row.id.data(), digest, sizeof digest);
    row.outcome = Outcome::kAlreadyPresent;
    return;
  }
  Staging staging;
  if (const int error = staging.open(settings_.objects_fd); error < 0) return row.fail(Outcome::kFailedStage, error);
  if (const int error = write_all(staging.fd(), data, length); error < 0) {
    return row.fail(Outcome::kFailedWrite, error);
  }
  commit(staging, digest, length, Outcome::kCopied, row);
}

// Enables fs-verity. ETXTBSY comes from a child forked elsewhere that still holds the writable descriptor for a
// moment; if it stays, a copy nobody else has open takes the file's place.
int ObjectStore::fix_verity(Staging& staging) {
  for (int copies = 0;; copies++) {
    if (const int error = staging.seal(); error < 0) return error;
    int result = enable_verity(staging.fd(), settings_.algorithm);
    for (int i = 1; result == -ETXTBSY && i < kBusyTries; i++) {
      const timespec pause = {0, 1000000};
      nanosleep(&pause, nullptr);
      result = enable_verity(staging.fd(), settings_.algorithm);
    }
    if (result != -ETXTBSY || copies == kBusyTries) return result == -EEXIST ? 0 : result;
    Staging copy;
    if (const int error = copy.open(settings_.objects_fd); error < 0) return error;
    Scratch& local = scratch(settings_.algorithm);
    uint64_t offset = 0;
    for (ssize_t n; (n = read_at(staging.fd(), local.buffer.data(), local.buffer.size(), offset)) != 0;) {
      if (n < 0) return static_cast<int>(n);
      if (const int error = write_all(copy.fd(), local.buffer.data(), static_cast<size_t>(n)); error < 0) return error;
      offset += static_cast<uint64_t>(n);
    }
    staging.swap(copy);
  }
}

void ObjectStore::commit(Staging& staging, const uint8_t* digest, uint64_t size, Outcome method, Row& row) {
  if (settings_.verity) {
    int error = fix_verity(staging);
    if (error >= 0) error = measure_verity(staging.fd(), settings_.algorithm, row.id.data());
    if (error < 0) return row.fail(Outcome::kFailedVerity, unsupported(error) ? -EOPNOTSUPP : error);
  } else {
    memcpy(row.id.data(), digest, digest_bytes(settings_.algorithm));
  }
  name(&staging, -1, size, method, row);
}

// An object of this name is there and, as far as can be told without reading it, sound: a regular file of the right
// size, in a verity repository also of the right measurement.
bool ObjectStore::stands(const char* path, uint64_t size, const uint8_t* id) {
  struct stat st;
  if (fstatat(settings_.objects_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
      static_cast<uint64_t>(st.st_size) != size) {
    return false;
  }
  if (!settings_.verity) return true;
  const Fd fd(openat(settings_.objects_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  uint8_t measured[kMaxDigestBytes];
  return fd.valid() && measure_verity(fd.get(), settings_.algorithm, measured) == 0 &&
         memcmp(measured, id, digest_bytes(settings_.algorithm)) == 0;
}

// Links the staging file, or else the inode of `source`, as objects/XX/rest.
bool ObjectStore::name(Staging* staging, int source, uint64_t size, Outcome method, Row& row) {
  const ObjectPath path(row.id.data(), digest_bytes(settings_.algorithm));
  const auto link = [&] {
    return staging ? staging->link_as(path.text) : link_inode(source, settings_.objects_fd, path.text);
  };
  int result = link();
  if (result == -ENOENT && (mkdirat(settings_.objects_fd, path.directory, kDirectoryMode) == 0 || errno == EEXIST)) {
    result = link();
  }
  if (result == -EEXIST) {
    if (stands(path.text, size, row.id.data())) {
      row.outcome = Outcome::kAlreadyPresent;
      return true;
    } else if (!staging) {
      return false;
    } else {
      // Damaged: the digest covers the size. Put the right bytes in its place.
      result = staging->replace(path.text);
    }
  }
  if (result < 0) {
    if (staging) row.fail(Outcome::kFailedLink, result);
    return false;
  }
  row.outcome = method;
  return true;
}

int ObjectStore::probe_reflink(int source_fd) {
  Staging staging;
  if (const int error = staging.open(settings_.objects_fd); error < 0) return error;
  return clone_file(staging.fd(), source_fd);
}

int ObjectStore::probe_hardlink(int source_fd) {
  const std::string temporary = temporary_name();
  const int result = link_inode(source_fd, settings_.objects_fd, temporary.c_str());
  if (result >= 0) unlinkat(settings_.objects_fd, temporary.c_str(), 0);
  return result;
}

}  // namespace reflink
