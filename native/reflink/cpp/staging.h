// Files in objects/ before they have their final name.
#pragma once

#include <string>

#include "kernel.h"

namespace reflink {

std::string temporary_name();

// A file in objects/ that has no final name yet: unnamed, or named .tmp-object-… where O_TMPFILE is unknown.
class Staging {
 public:
  ~Staging() { discard(); }
  // `directory`, XX, is where it will be named if that is known: there, or else in any one, it is made if it can be. File
  // systems place a file near its directory, and threads that all use one wait for each other.
  int open(int objects_fd, const char* directory = nullptr);
  int fd() const { return fd_.get(); }
  int seal();  // swaps the writable descriptor for a read-only one, as fs-verity wants
  int link_as(const char* path);
  int replace(const char* path);  // over an existing name
  void discard();
  void swap(Staging& other);

 private:
  int objects_fd_ = -1;
  Fd fd_;
  std::string name_;
};

}  // namespace reflink
