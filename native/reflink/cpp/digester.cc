// Plain digests of long data, computed on the native threads.
#include <optional>

#include "digest_lanes.h"
#include "handle.h"
#include "process_libraries.h"

namespace reflink {
namespace {

constexpr napi_type_tag kDigesterTag = {0x636f6d706f736566, 0x6469676573740001};
constexpr size_t kMostBytes = 64;

// By our own functions where the processor has instructions for it, else by libcrypto. Of JavaScript's thread, but for
// the piece under way.
struct Digester {
  ~Digester() {
    if (context) EVP_MD_CTX_free(context);
  }
  std::optional<RunningSha256> sha256;
  evp_md_ctx_st* context = nullptr;
  bool open = false;
  bool busy = false;
};

class Update : public PromiseBatch {
 public:
  Update(Napi::Env env, std::shared_ptr<Digester> digester, const Napi::Uint8Array& data)
      : PromiseBatch(env, 1), digester_(std::move(digester)), input_(data.Data()), input_bytes_(data.ByteLength()) {
    keep(data);
    digester_->busy = true;
  }
  ~Update() { digester_->busy = false; }

  bool urgent() const override { return true; }
  void run(size_t) override { EVP_DigestUpdate(digester_->context, input_, input_bytes_); }

 protected:
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

  const std::shared_ptr<Digester> digester_;
  const uint8_t* const input_;
  const size_t input_bytes_;
};

// Does not go to the pool by itself.
class UpdateInLanes final : public Update, private DigestPiece {
 public:
  UpdateInLanes(Napi::Env env, std::shared_ptr<Digester> digester, const Napi::Uint8Array& data)
      : Update(env, std::move(digester), data), DigestPiece(*digester_->sha256, input_, input_bytes_) {}

 protected:
  void submit() override { DigestLanes::instance().submit(this); }

 private:
  bool dropped() const override { return abandoned(); }
  void done() override { finished(); }
};

const evp_md_st* libcrypto_digest(Napi::Env env, const std::string& name) {
  const auto function = name == "sha256"   ? EVP_sha256
                        : name == "sha384" ? EVP_sha384
                        : name == "sha512" ? EVP_sha512
                                           : throw Napi::TypeError::New(env, "unknown digest");
  if (!function || !EVP_MD_CTX_new || !EVP_MD_CTX_free || !EVP_DigestInit_ex || !EVP_DigestUpdate ||
      !EVP_DigestFinal_ex) {
    return nullptr;
  }
  return function();
}

Napi::Value create_digester(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>().Utf8Value();
  auto digester = std::make_shared<Digester>();
  const ContinueSha256 continue_with = continue_sha256();
  if (name == "sha256" && continue_with) {
    digester->sha256.emplace(continue_with);
  } else {
    const evp_md_st* const type = libcrypto_digest(info.Env(), name);
    if (!type) return info.Env().Null();
    digester->context = EVP_MD_CTX_new();
    if (!digester->context || EVP_DigestInit_ex(digester->context, type, nullptr) != 1) return info.Env().Null();
  }
  digester->open = true;
  return make_handle(info.Env(), std::move(digester), kDigesterTag);
}

std::shared_ptr<Digester> idle_digester_arg(const Napi::CallbackInfo& info) {
  auto digester = handle_arg<Digester>(info, 0, kDigesterTag);
  if (!digester->open) throw Napi::Error::New(info.Env(), "the digest was taken before");
  if (digester->busy) throw Napi::Error::New(info.Env(), "the piece before is not hashed yet");
  return digester;
}

Napi::Value update_digester(const Napi::CallbackInfo& info) {
  auto digester = idle_digester_arg(info);
  const auto data = array_arg<Napi::Uint8Array>(info, 1);
  Update* const update = digester->sha256 ? new UpdateInLanes(info.Env(), std::move(digester), data)
                                          : new Update(info.Env(), std::move(digester), data);
  return update->start(info.Env());
}

Napi::Value finish_digester(const Napi::CallbackInfo& info) {
  const auto digester = idle_digester_arg(info);
  digester->open = false;
  unsigned char digest[kMostBytes];
  unsigned size = 32;
  if (digester->sha256) {
    digester->sha256->finish(digest);
  } else {
    EVP_DigestFinal_ex(digester->context, digest, &size);
  }
  return copy_buffer(info.Env(), digest, size);
}

}  // namespace

void init_digester(Napi::Env env, Napi::Object exports) {
  exports["createDigester"] = Napi::Function::New(env, create_digester);
  exports["updateDigester"] = Napi::Function::New(env, update_digester);
  exports["finishDigester"] = Napi::Function::New(env, finish_digester);
}

}  // namespace reflink
