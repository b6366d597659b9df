#include "object_store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "content_group.h"
#include "object_path.h"

namespace reflink {
namespace {

constexpr mode_t kDirectoryMode = 0755;
constexpr int kBusyTries = 3;

bool cancelled(const std::atomic<int32_t>* flag) { return flag && flag->load(std::memory_order_relaxed) != 0; }

// The whole of a file of item.size bytes.
bool read_small(int fd, const SourceItem& item, uint8_t* content, Row& row) {
  const ssize_t n = read_at(fd, content, item.size + 1, 0);  // one more, to see a file that has grown since
  if (n < 0) return row.fail(Outcome::kFailedRead, static_cast<int>(n)), false;
  if (static_cast<uint64_t>(n) != item.size) {
    return row.fail(Outcome::kFailedSize, 0, static_cast<uint64_t>(n)), false;
  }
  if (!item.check_crc) return true;
  Crc64 crc;
  crc.update(content, item.size);
  return crc.value() == item.crc || (row.fail(Outcome::kFailedCrc), false);
}

bool unsupported(int error) { return error == -ENOTTY || error == -EOPNOTSUPP; }

}  // namespace

Scratch& scratch(Algorithm algorithm) {
  thread_local std::unique_ptr<Scratch> per_algorithm[2];
  auto& slot = per_algorithm[algorithm == Algorithm::kSha512 ? 1 : 0];
  if (!slot) slot = std::make_unique<Scratch>(algorithm);
  slot->hasher.reset();
  return *slot;
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

// Small files wait, read and still open, until there are enough to be hashed together.
void ObjectStore::store_files(const OpenItem& open, const SourceItem* items, size_t count,
                              const std::atomic<int32_t>* cancel, Row* rows) {
  struct Waiting {
    SourceFile source;
    size_t row;
    const uint8_t* content;
  };
  ContentGroup& contents = ContentGroup::of_thread();
  std::vector<Waiting> waiting;
  const auto store_waiting = [&] {
    contents.hash(settings_.algorithm);
    for (size_t i = 0; i < waiting.size(); i++) {
      const auto& [source, row, content] = waiting[i];
      store_hashed(source, items[row], content, contents.digest(i), cancel, rows[row]);
    }
    waiting.clear();
    contents.clear();
  };
  for (size_t i = 0; i < count && !cancelled(cancel); i++) {
    const SourceItem& item = items[i];
    Row& row = rows[i];
    row.outcome = Outcome::kCopied;
    SourceFile source = open(item, row);
    if (source.fd < 0) break;
    const int fd = source.fd;
    if (item.inline_content) {
      read_whole(fd, item.size, item, row);
    } else if (!hashes_first(source)) {
      store_open_file(fd, source.st.st_dev, item, cancel, row);
    } else if (item.size <= ContentGroup::kMaxFileBytes) {
      const uint8_t* content = contents.place();
      if (!read_small(fd, item, contents.place(), row)) break;
      contents.add(item.size);
      waiting.push_back({std::move(source), i, content});
      if (contents.full()) store_waiting();
    } else {
      uint8_t digest[kMaxDigestBytes];
      if (digest_and_check(fd, item, digest, cancel, row)) store_hashed(source, item, nullptr, digest, cancel, row);
    }
    if (row.failed()) break;
  }
  store_waiting();
}

// Whether a file is hashed before a clone of it is made, which finds it in the page cache, makes nothing of what is
// there already, and lets small files be hashed together. A clone made afterwards has what was hashed if the file has
// not changed meanwhile. Where the kernel hashes there is nothing to gain.
bool ObjectStore::hashes_first(const SourceFile& source) {
  if (settings_.verity || settings_.hardlink) return false;
  if (!known_unclonable(source.st.st_dev)) return source.settled();
  return settings_.copy && source.size() <= ContentGroup::kMaxFileBytes;  // copied from memory
}

// `content` is the whole file, or null.
void ObjectStore::store_hashed(const SourceFile& source, const SourceItem& item, const uint8_t* content,
                               const uint8_t* digest, const std::atomic<int32_t>* cancel, Row& row) {
  const dev_t device = source.st.st_dev;
  const ObjectPath path(digest, digest_bytes(settings_.algorithm));
  if (stands(path.text, item.size, digest)) {
    memcpy(row.id.data(), digest, digest_bytes(settings_.algorithm));
    row.outcome = Outcome::kAlreadyPresent;
    return;
  }
  Staging staging;
  if (const int error = staging.open(settings_.objects_fd, path.directory); error < 0) return row.fail(Outcome::kFailedStage, error);
  if (clone_into(staging, source.fd, device, row)) {
    if (source.unchanged()) return commit(staging, digest, item.size, Outcome::kReflinked, row);
  } else if (row.failed()) {
    return;
  } else if (content && settings_.copy) {
    const int error = write(staging, content, item.size);
    return error < 0 ? row.fail(Outcome::kFailedWrite, error) : commit(staging, digest, item.size, Outcome::kCopied, row);
  }
  staging.discard();
  store_open_file(source.fd, device, item, cancel, row);
}

void ObjectStore::store_open_file(int source, dev_t device, const SourceItem& item,
                                  const std::atomic<int32_t>* cancel, Row& row) {
  row.outcome = Outcome::kCopied;
  const uint64_t size = item.size;
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
    if (const int error = write(staging, local.buffer.data(), length); error < 0) {
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

void ObjectStore::store_buffers(const Span* contents, size_t count, Row* rows) {
  ContentGroup& group = ContentGroup::of_thread();
  std::vector<size_t> waiting;
  const auto store_waiting = [&] {
    group.hash(settings_.algorithm);
    for (size_t i = 0; i < waiting.size(); i++) store_content(contents[waiting[i]], group.digest(i), rows[waiting[i]]);
    waiting.clear();
    group.clear();
  };
  for (size_t i = 0; i < count; i++) {
    const auto& [data, length] = contents[i];
    if (length <= ContentGroup::kMaxFileBytes) {
      if (length > 0) memcpy(group.place(), data, length);
      group.add(length);
      waiting.push_back(i);
      if (group.full()) store_waiting();
      continue;
    }
    Scratch& local = scratch(settings_.algorithm);
    uint8_t digest[kMaxDigestBytes];
    local.hasher.update(data, length);
    local.hasher.finish(digest);
    store_content(contents[i], digest, rows[i]);
  }
  store_waiting();
}

// Small contents repeat a lot (licences, empty JSON): looks before it writes.
void ObjectStore::store_content(const Span& content, const uint8_t* digest, Row& row) {
  row.outcome = Outcome::kCopied;
  const auto& [data, length] = content;
  const ObjectPath path(digest, digest_bytes(settings_.algorithm));
  if (stands(path.text, length, digest)) {
    memcpy(row.id.data(), digest, digest_bytes(settings_.algorithm));
    row.outcome = Outcome::kAlreadyPresent;
    return;
  }
  Staging staging;
  if (const int error = staging.open(settings_.objects_fd, path.directory); error < 0) return row.fail(Outcome::kFailedStage, error);
  if (const int error = write(staging, data, length); error < 0) return row.fail(Outcome::kFailedWrite, error);
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
      if (const int error = write(copy, local.buffer.data(), static_cast<size_t>(n)); error < 0) return error;
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
  if (result == -ENOENT) {
    const int made = mkdirat(settings_.objects_fd, path.directory, kDirectoryMode);
    result = made == 0 || errno == EEXIST ? link() : -errno;
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

int ObjectStore::write(const Staging& staging, const uint8_t* data, size_t length) {
  const int error = write_all(staging.fd(), data, length);
  if (error >= 0) writeback_.wrote(settings_.objects_fd, length);
  return error;
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
