// gzip data of any number of members, decompressed on the native threads into buffers of the caller.
#include <algorithm>
#include <climits>
#include <mutex>
#include <string>

#include "handle.h"
#include "process_libraries.h"

namespace reflink {
namespace {

constexpr napi_type_tag kInflaterTag = {0x636f6d706f736566, 0x696e666c61740001};
constexpr int kGzipWindow = 15 + 16;  // the largest window, gzip headers only
constexpr int kOk = 0, kStreamEnd = 1, kBufError = -5, kNoFlush = 0;

// Numbers shared with src/inflater.ts.
enum State : int { kWithinMember, kBetweenMembers, kDamaged };

struct Inflater {
  ~Inflater() {
    if (open) inflateEnd(&stream);
  }
  std::mutex mutex;  // JavaScript makes one call at a time; this keeps a breach of that from doing harm
  ProcessZStream stream = {};
  bool open = false;
  State state = kBetweenMembers;
};

// Takes of `input` what fits into `output` decompressed.
class Inflate : public PromiseBatch {
 public:
  Inflate(Napi::Env env, std::shared_ptr<Inflater> inflater, const Napi::Uint8Array& input,
          Napi::Uint8Array output)
      : PromiseBatch(env, 1),
        inflater_(std::move(inflater)),
        input_(input.Data()),
        input_bytes_(std::min<size_t>(input.ByteLength(), UINT_MAX)),
        output_(output.Data()),
        output_bytes_(std::min<size_t>(output.ByteLength(), UINT_MAX)) {
    keep(input);
    keep(output);
  }

  bool urgent() const override { return true; }

  void run(size_t) override {
    std::lock_guard<std::mutex> hold(inflater_->mutex);
    ProcessZStream& stream = inflater_->stream;
    stream.next_in = input_, stream.avail_in = static_cast<unsigned>(input_bytes_);
    stream.next_out = output_, stream.avail_out = static_cast<unsigned>(output_bytes_);
    State& state = inflater_->state;
    while (stream.avail_out > 0 && state != kDamaged) {
      if (state == kBetweenMembers) {
        if (stream.avail_in == 0) break;
        inflateReset(&stream);
        state = kWithinMember;
      }
      const int result = inflate(&stream, kNoFlush);
      if (result == kStreamEnd) {
        state = kBetweenMembers;
      } else if (result == kBufError) {
        break;  // more input is needed
      } else if (result != kOk) {
        state = kDamaged;
        message_ = stream.msg ? stream.msg : "damaged";
      }
    }
    consumed_ = input_bytes_ - stream.avail_in;
    produced_ = output_bytes_ - stream.avail_out;
  }

 protected:
  Napi::Value result(Napi::Env env) override {
    auto out = Napi::Object::New(env);
    out["consumed"] = Napi::Number::New(env, static_cast<double>(consumed_));
    out["produced"] = Napi::Number::New(env, static_cast<double>(produced_));
    out["state"] = Napi::Number::New(env, inflater_->state);
    out["message"] = Napi::String::New(env, message_);
    return out;
  }

 private:
  const std::shared_ptr<Inflater> inflater_;
  const uint8_t* const input_;
  const size_t input_bytes_;
  uint8_t* const output_;
  const size_t output_bytes_;
  size_t consumed_ = 0, produced_ = 0;
  std::string message_;
};

Napi::Value create_inflater(const Napi::CallbackInfo& info) {
  if (!zlibVersion || !inflateInit2_ || !inflate || !inflateReset || !inflateEnd) return info.Env().Null();
  auto inflater = std::make_shared<Inflater>();
  const int result = inflateInit2_(&inflater->stream, kGzipWindow, zlibVersion(), sizeof(ProcessZStream));
  if (result != kOk) return info.Env().Null();
  inflater->open = true;
  return make_handle(info.Env(), std::move(inflater), kInflaterTag);
}

Napi::Value inflate_chunk(const Napi::CallbackInfo& info) {
  auto inflater = handle_arg<Inflater>(info, 0, kInflaterTag);
  const auto input = array_arg<Napi::Uint8Array>(info, 1);
  auto output = array_arg<Napi::Uint8Array>(info, 2);
  return (new Inflate(info.Env(), std::move(inflater), input, output))->start(info.Env());
}

}  // namespace

void init_inflater(Napi::Env env, Napi::Object exports) {
  exports["createInflater"] = Napi::Function::New(env, create_inflater);
  exports["inflateChunk"] = Napi::Function::New(env, inflate_chunk);
}

}  // namespace reflink
