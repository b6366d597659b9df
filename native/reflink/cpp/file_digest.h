// The fs-verity digest of a file by name, for batches that ask for many.
#pragma once

#include "content_group.h"
#include "sha2.h"

namespace reflink {

// Numbers shared with src/verity.ts.
enum class FileDigest : uint8_t {
  kHashed,
  kMeasured,
  kWithout,
  kFailedOpen,
  kFailedNotRegular,
  kFailedRead,
  kFailedVerity,
};

// Digest of the file at `path` beneath `dir`, no symlink followed: what the kernel holds, else (unless fs-verity is
// `required`) what the content hashes to. It is put into `out`; but the content of a small file is added to `contents`,
// whose hash() the caller has to call for it. A failure's negative errno is put into `error`.
FileDigest digest_file(int dir, const char* path, Algorithm algorithm, bool required, ContentGroup& contents,
                       uint8_t* out, int* error);

// Hashes an open file from its start up to `limit`, which saves the read that finds its end; 0 or a negative errno.
int digest_content(int fd, Algorithm algorithm, uint8_t* out, uint64_t limit = ~uint64_t{0});

}  // namespace reflink
