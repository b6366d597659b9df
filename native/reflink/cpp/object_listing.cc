// What the directories 00 to ff of an object directory hold.
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "kernel.h"
#include "napi_util.h"
#include "object_path.h"

namespace reflink {
namespace {

constexpr size_t kDirectories = 256;

// Value of a lower-case hexadecimal digit, or -1.
int digit_value(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

// One directory: names of objects that are regular files as digests, and all others as paths.
struct Listed {
  std::vector<std::string> digests;  // sorted
  std::string others;                // each with a NUL at its end
  int error = 0;                     // errno
};

class ListObjects : public PromiseBatch {
 public:
  ListObjects(Napi::Env env, int dir, size_t width) : PromiseBatch(env, kDirectories), dir_(dir), width_(width) {}

  void run(size_t byte) override {
    Listed& listed = listed_[byte];
    const uint8_t first = static_cast<uint8_t>(byte);
    const ObjectPath prefix(&first, 1);
    const Fd directory(openat(dir_, prefix.directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory.valid()) {
      if (errno == ENOTDIR || errno == ELOOP) {
        listed.others.append(prefix.directory, 3);
      } else if (errno != ENOENT) {
        listed.error = errno;
      }
      return;
    }
    read_names(directory.get(), prefix.directory, listed);
    std::sort(listed.digests.begin(), listed.digests.end());
  }

 protected:
  Napi::Value result(Napi::Env env) override {
    auto out = Napi::Object::New(env);
    std::string others;
    size_t bytes = 0;
    for (size_t i = 0; i < kDirectories; i++) {
      const Listed& listed = listed_[i];
      bytes += listed.digests.size() * width_;
      others += listed.others;
      if (listed.error == 0 || out.Has("errno")) continue;
      out["errno"] = Napi::Number::New(env, listed.error);
      out["directory"] = Napi::Number::New(env, static_cast<double>(i));
    }
    auto ids = Napi::Buffer<uint8_t>::New(env, bytes);
    uint8_t* end = ids.Data();
    for (const Listed& listed : listed_) {
      for (const std::string& digest : listed.digests) end = std::copy(digest.begin(), digest.end(), end);
    }
    out["ids"] = ids;
    out["others"] = copy_buffer(env, reinterpret_cast<const uint8_t*>(others.data()), others.size());
    return out;
  }

 private:
  void read_names(int fd, const char* prefix, Listed& listed) {
    Fd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    DIR* stream = own.valid() ? fdopendir(own.get()) : nullptr;
    if (stream == nullptr) {
      listed.error = errno;
      return;
    }
    own.release();  // closedir closes it
    std::string digest;
    for (;;) {
      errno = 0;
      const dirent* entry = readdir(stream);
      if (entry == nullptr) break;
      const char* name = entry->d_name;
      if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
      if (is_file(fd, *entry) && read_digest(prefix, name, digest)) {
        listed.digests.push_back(digest);
      } else {
        listed.others.append(prefix).append("/").append(name).push_back('\0');
      }
    }
    listed.error = errno;
    closedir(stream);
  }

  static bool is_file(int fd, const dirent& entry) {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_REG;
    struct stat st;
    return fstatat(fd, entry.d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
  }

  bool read_digest(const char* prefix, const char* name, std::string& digest) const {
    if (strlen(name) != 2 * (width_ - 1)) return false;
    digest.clear();
    for (size_t i = 0; i < width_; i++) {
      const char* pair = i == 0 ? prefix : name + 2 * (i - 1);
      const int high = digit_value(pair[0]), low = digit_value(pair[1]);
      if (high < 0 || low < 0) return false;
      digest.push_back(static_cast<char>(high << 4 | low));
    }
    return true;
  }

  const int dir_;
  const size_t width_;
  std::array<Listed, kDirectories> listed_;
};

Napi::Value list_objects(const Napi::CallbackInfo& info) {
  return (new ListObjects(info.Env(), int_arg(info, 0), digest_bytes(algorithm_arg(info, 1))))->start(info.Env());
}

}  // namespace

void init_object_listing(Napi::Env env, Napi::Object exports) {
  exports["listObjects"] = Napi::Function::New(env, list_objects);
}

}  // namespace reflink
