#include "source_file.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

namespace reflink {

bool SourceFile::settled() const {
  constexpr time_t kSeconds = 2;  // far more than the clock's step on any kernel
  constexpr mode_t kOthersMayWrite = S_IWGRP | S_IWOTH;
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (st.st_ctim.tv_sec >= now.tv_sec - kSeconds) return false;
  if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & kOthersMayWrite)) return false;
  // Cleans the pages that are mapped for writing: the next write to each is a fault, which stamps the file.
  return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) == 0;
}

bool SourceFile::unchanged() const {
  struct stat now;
  return fstat(fd, &now) == 0 && now.st_size == st.st_size && now.st_ctim.tv_sec == st.st_ctim.tv_sec &&
         now.st_ctim.tv_nsec == st.st_ctim.tv_nsec && now.st_mtim.tv_sec == st.st_mtim.tv_sec &&
         now.st_mtim.tv_nsec == st.st_mtim.tv_nsec;
}

SourceFile open_source(const std::vector<int>& dirs, const SourceItem& item, Row& row) {
  constexpr uint64_t kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  constexpr uint64_t kResolve = kResolveBeneath | kResolveNoMagiclinks | kResolveNoXdev;
  bool metacopy = false;
  int error = -ENOENT;
  for (const int dir : dirs) {
    SourceFile file;
    const int fd = open_at2(dir, item.path.c_str(), kFlags, 0, kResolve);
    if (fd < 0) {
      error = fd;
      if (fd == -ENOENT || fd == -ENOTDIR) continue;
      break;
    }
    file.fd = fd, file.owned = Fd(fd);
    if (fstat(fd, &file.st) < 0) {
      row.fail(Outcome::kFailedOpen, -errno);
      return SourceFile();
    }
    if (!S_ISREG(file.st.st_mode)) {
      row.fail(Outcome::kFailedNotRegular);
      return SourceFile();
    }
    // Blocks tell nothing: those of such a file hold its attributes.
    if (file.size() > 0 && is_metacopy(fd)) {
      metacopy = true;
      continue;
    }
    if (item.size != kAnySize && file.size() != item.size) {
      row.fail(Outcome::kFailedSize, 0, file.size());
      return SourceFile();
    }
    return file;
  }
  if (metacopy && (error == -ENOENT || error == -ENOTDIR)) {
    row.fail(Outcome::kFailedMetacopy);
  } else {
    row.fail(Outcome::kFailedOpen, error);
  }
  return SourceFile();
}

SourceFile take_source(int fd, const SourceItem& item, Row& row) {
  SourceFile file;
  if (fstat(fd, &file.st) < 0) {
    row.fail(Outcome::kFailedOpen, -errno);
  } else if (!S_ISREG(file.st.st_mode)) {
    row.fail(Outcome::kFailedNotRegular);
  } else if (file.size() != item.size) {
    row.fail(Outcome::kFailedSize, 0, file.size());
  } else {
    file.fd = fd;
  }
  return file;
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
  const SourceFile file = open_source(dirs, item, row);
  if (file.fd < 0) return;
  if (file.size() > limit) return row.fail(Outcome::kFailedSize, 0, file.size());
  read_whole(file.fd, file.size(), item, row);
}

}  // namespace reflink
