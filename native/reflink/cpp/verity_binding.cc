// fs-verity: digests of buffers and files, the two ioctls, and which hash implementation is in use.
#include <errno.h>

#include "kernel.h"
#include "napi_util.h"
#include "object_store.h"

namespace reflink {
namespace {

Napi::Value enable(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), enable_verity(int_arg(info, 0), algorithm_arg(info, 1)));
}

Napi::Value measure(const Napi::CallbackInfo& info) {
  const Algorithm algorithm = algorithm_arg(info, 1);
  uint8_t digest[kMaxDigestBytes];
  const int result = measure_verity(int_arg(info, 0), algorithm, digest);
  if (result < 0) return Napi::Number::New(info.Env(), result);
  return copy_buffer(info.Env(), digest, digest_bytes(algorithm));
}

Napi::Value digest_buffer(const Napi::CallbackInfo& info) {
  const auto data = array_arg<Napi::Uint8Array>(info, 0);
  const Algorithm algorithm = algorithm_arg(info, 1);
  VerityHasher& hasher = scratch(algorithm).hasher;
  uint8_t digest[kMaxDigestBytes];
  hasher.update(data.Data(), data.ByteLength());
  hasher.finish(digest);
  return copy_buffer(info.Env(), digest, digest_bytes(algorithm));
}

class DigestFds : public PromiseBatch {
 public:
  DigestFds(Napi::Env env, const Napi::Int32Array& fds, Algorithm algorithm)
      : PromiseBatch(env, fds.ElementLength()),
        fds_(fds.Data(), fds.Data() + fds.ElementLength()),
        algorithm_(algorithm),
        digests_(fds_.size() * digest_bytes(algorithm)),
        errors_(fds_.size()) {}

  void run(size_t item) override {
    Scratch& local = scratch(algorithm_);
    uint64_t offset = 0;
    for (ssize_t n; (n = read_at(fds_[item], local.buffer.data(), local.buffer.size(), offset)) != 0;) {
      if (n < 0) {
        errors_[item] = static_cast<int32_t>(-n);
        return;
      }
      local.hasher.update(local.buffer.data(), static_cast<size_t>(n));
      offset += static_cast<uint64_t>(n);
    }
    local.hasher.finish(digests_.data() + item * digest_bytes(algorithm_));
  }

 protected:
  Napi::Value result(Napi::Env env) override {
    auto out = Napi::Object::New(env);
    out["digests"] = copy_buffer(env, digests_.data(), digests_.size());
    auto errnos = Napi::Int32Array::New(env, errors_.size());
    std::copy(errors_.begin(), errors_.end(), errnos.Data());
    out["errnos"] = errnos;
    return out;
  }

 private:
  const std::vector<int> fds_;
  const Algorithm algorithm_;
  std::vector<uint8_t> digests_;
  std::vector<int32_t> errors_;
};

Napi::Value digest_fds(const Napi::CallbackInfo& info) {
  const auto fds = array_arg<Napi::Int32Array>(info, 0);
  return (new DigestFds(info.Env(), fds, algorithm_arg(info, 1)))->start(info.Env());
}

Napi::Value implementations(const Napi::CallbackInfo& info) {
  auto out = Napi::Array::New(info.Env());
  for (const auto* const* it = available_implementations(); *it; it++) {
    out[out.Length()] = Napi::String::New(info.Env(), (*it)->name);
  }
  return out;
}

Napi::Value use(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), use_implementation(info[0].As<Napi::String>().Utf8Value().c_str()));
}

}  // namespace

void init_verity(Napi::Env env, Napi::Object exports) {
  exports["enableVerity"] = Napi::Function::New(env, enable);
  exports["measureVerity"] = Napi::Function::New(env, measure);
  exports["verityDigest"] = Napi::Function::New(env, digest_buffer);
  exports["verityDigestFds"] = Napi::Function::New(env, digest_fds);
  exports["hashImplementations"] = Napi::Function::New(env, implementations);
  exports["useHashImplementation"] = Napi::Function::New(env, use);
}

}  // namespace reflink
