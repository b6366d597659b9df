// Which objects of a list are there, and of which sizes.
#include <errno.h>
#include <sys/stat.h>

#include <algorithm>

#include "kernel.h"
#include "napi_util.h"
#include "object_path.h"

namespace reflink {
namespace {

constexpr double kMissing = -1;
constexpr size_t kRun = 512;  // objects a thread takes at a time

class ObjectSizes : public PromiseBatch {
 public:
  ObjectSizes(Napi::Env env, int dir, const Napi::Uint8Array& ids, size_t width)
      : PromiseBatch(env, (ids.ByteLength() / width + kRun - 1) / kRun),
        dir_(dir),
        ids_(ids.Data()),
        width_(width),
        sizes_(ids.ByteLength() / width, kMissing) {
    keep(ids);
  }

  void run(size_t run) override {
    const size_t end = std::min(sizes_.size(), (run + 1) * kRun);
    for (size_t i = run * kRun; i < end; i++) {
      const ObjectPath path(ids_ + i * width_, width_);
      struct stat st;
      if (fstatat(dir_, path.text, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISREG(st.st_mode)) sizes_[i] = static_cast<double>(st.st_size);
      } else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
        error_.store(errno, std::memory_order_relaxed);
      }
    }
  }

 protected:
  Napi::Value result(Napi::Env env) override {
    if (const int error = error_.load(); error != 0) return Napi::Number::New(env, -error);
    auto out = Napi::Float64Array::New(env, sizes_.size());
    std::copy(sizes_.begin(), sizes_.end(), out.Data());
    return out;
  }

 private:
  const int dir_;
  const uint8_t* const ids_;
  const size_t width_;
  std::vector<double> sizes_;
  std::atomic<int> error_{0};
};

Napi::Value object_sizes(const Napi::CallbackInfo& info) {
  const auto ids = array_arg<Napi::Uint8Array>(info, 1);
  const size_t width = digest_bytes(algorithm_arg(info, 2));
  if (ids.ByteLength() % width != 0) throw Napi::TypeError::New(info.Env(), "ids of another length");
  return (new ObjectSizes(info.Env(), int_arg(info, 0), ids, width))->start(info.Env());
}

}  // namespace

void init_object_sizes(Napi::Env env, Napi::Object exports) {
  exports["objectSizes"] = Napi::Function::New(env, object_sizes);
}

}  // namespace reflink
