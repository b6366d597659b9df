// Plain digests of long data, computed on the native threads.
#include <mutex>

#include "handle.h"
#include "process_libraries.h"

namespace reflink {
namespace {

constexpr napi_type_tag kDigesterTag = {0x636f6d706f736566, 0x6469676573740001};
constexpr size_t kMostBytes = 64;

struct Digester {
  ~Digester() {
    if (context) EVP_MD_CTX_free(context);
  }
  std::mutex mutex;
  evp_md_ctx_st* context = nullptr;
};

// One call at a time, which JavaScript sees to; the mutex keeps a breach of that from doing harm.
class UpdateDigest : public PromiseBatch {
 public:
  UpdateDigest(Napi::Env env, std::shared_ptr<Digester> digester, const Napi::Uint8Array& data)
      : PromiseBatch(env, 1), digester_(std::move(digester)), data_(data.Data()), length_(data.ByteLength()) {
    keep(data);
  }

  bool urgent() const override { return true; }

  void run(size_t) override {
    std::lock_guard<std::mutex> hold(digester_->mutex);
    if (digester_->context) EVP_DigestUpdate(digester_->context, data_, length_);
  }

 protected:
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

 private:
  const std::shared_ptr<Digester> digester_;
  const uint8_t* const data_;
  const size_t length_;
};

Napi::Value create_digester(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>().Utf8Value();
  const auto function = name == "sha256"   ? EVP_sha256
                        : name == "sha384" ? EVP_sha384
                        : name == "sha512" ? EVP_sha512
                                           : throw Napi::TypeError::New(info.Env(), "unknown digest");
  if (!function || !EVP_MD_CTX_new || !EVP_MD_CTX_free || !EVP_DigestInit_ex || !EVP_DigestUpdate ||
      !EVP_DigestFinal_ex) {
    return info.Env().Null();
  }
  auto digester = std::make_shared<Digester>();
  digester->context = EVP_MD_CTX_new();
  if (!digester->context || EVP_DigestInit_ex(digester->context, function(), nullptr) != 1) return info.Env().Null();
  return make_handle(info.Env(), std::move(digester), kDigesterTag);
}

Napi::Value update_digester(const Napi::CallbackInfo& info) {
  auto digester = handle_arg<Digester>(info, 0, kDigesterTag);
  const auto data = array_arg<Napi::Uint8Array>(info, 1);
  return (new UpdateDigest(info.Env(), std::move(digester), data))->start(info.Env());
}

Napi::Value finish_digester(const Napi::CallbackInfo& info) {
  const auto digester = handle_arg<Digester>(info, 0, kDigesterTag);
  std::lock_guard<std::mutex> hold(digester->mutex);
  unsigned char digest[kMostBytes];
  unsigned size = 0;
  if (!digester->context) throw Napi::Error::New(info.Env(), "the digest was taken before");
  EVP_DigestFinal_ex(digester->context, digest, &size);
  EVP_MD_CTX_free(digester->context);
  digester->context = nullptr;
  return copy_buffer(info.Env(), digest, size);
}

}  // namespace

void init_digester(Napi::Env env, Napi::Object exports) {
  exports["createDigester"] = Napi::Function::New(env, create_digester);
  exports["updateDigester"] = Napi::Function::New(env, update_digester);
  exports["finishDigester"] = Napi::Function::New(env, finish_digester);
}

}  // namespace reflink
