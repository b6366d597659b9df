#include "file_digest.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>

#include "kernel.h"
#include "object_store.h"

namespace reflink {

int digest_content(int fd, Algorithm algorithm, uint8_t* out, uint64_t limit) {
  Scratch& local = scratch(algorithm);
  for (uint64_t offset = 0; offset < limit;) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(local.buffer.size(), limit - offset));
    const ssize_t n = read_at(fd, local.buffer.data(), wanted, offset);
    if (n < 0) return static_cast<int>(n);
    local.hasher.update(local.buffer.data(), static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
    if (static_cast<size_t>(n) < wanted) break;
  }
  local.hasher.finish(out);
  return 0;
}

FileDigest digest_file(int dir, const char* path, Algorithm algorithm, bool required, ContentGroup& contents,
                       uint8_t* out, int* error) {
  constexpr uint64_t kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  const Fd file(open_at2(dir, path, kFlags, 0, kResolveBeneath | kResolveNoSymlinks));
  if (!file.valid()) return *error = file.get(), FileDigest::kFailedOpen;
  struct stat st;
  if (fstat(file.get(), &st) < 0) return *error = -errno, FileDigest::kFailedOpen;
  if (!S_ISREG(st.st_mode)) return FileDigest::kFailedNotRegular;
  const int measured = measure_verity(file.get(), algorithm, out);
  if (measured >= 0) return FileDigest::kMeasured;
  const bool unsupported = measured == -ENOTTY || measured == -EOPNOTSUPP;
  const bool without = unsupported || measured == -ENODATA || measured == -EOVERFLOW;
  if (!without) return *error = measured, FileDigest::kFailedVerity;
  if (required) return FileDigest::kWithout;
  const uint64_t size = static_cast<uint64_t>(st.st_size);
  if (size <= ContentGroup::kMaxFileBytes) {
    const ssize_t n = read_at(file.get(), contents.place(), size, 0);
    if (n < 0) return *error = static_cast<int>(n), FileDigest::kFailedRead;
    contents.add(static_cast<uint64_t>(n));
    return FileDigest::kHashed;
  }
  *error = digest_content(file.get(), algorithm, out, size);
  return *error == 0 ? FileDigest::kHashed : FileDigest::kFailedRead;
}

}  // namespace reflink
