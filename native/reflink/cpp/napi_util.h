// Argument access and promises for the bindings. Arguments come from our own TypeScript, which checks them; a wrong
// type here is a bug and throws a TypeError.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "pool.h"
#include "sha2.h"

namespace reflink {

void init_files(Napi::Env env, Napi::Object exports);
void init_verity(Napi::Env env, Napi::Object exports);
void init_store(Napi::Env env, Napi::Object exports);
void init_scan(Napi::Env env, Napi::Object exports);
void init_mount(Napi::Env env, Napi::Object exports);

inline int int_arg(const Napi::CallbackInfo& info, size_t i) { return info[i].As<Napi::Number>().Int32Value(); }

inline Algorithm algorithm_arg(const Napi::CallbackInfo& info, size_t i) {
  const int number = int_arg(info, i);
  if (number != 1 && number != 2) throw Napi::TypeError::New(info.Env(), "algorithm is neither 1 nor 2");
  return static_cast<Algorithm>(number);
}

template <class Array>
Array array_arg(const Napi::CallbackInfo& info, size_t i) {
  if (!info[i].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "typed array expected");
  return info[i].As<Array>();
}

// A path argument: bytes without NUL.
inline std::string path_arg(const Napi::CallbackInfo& info, size_t i) {
  const auto bytes = array_arg<Napi::Uint8Array>(info, i);
  std::string path(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
  if (path.find('\0') != std::string::npos) throw Napi::TypeError::New(info.Env(), "path with a NUL byte");
  return path;
}

inline Napi::Buffer<uint8_t> copy_buffer(Napi::Env env, const uint8_t* data, size_t length) {
  return Napi::Buffer<uint8_t>::Copy(env, data, length);
}

// A batch whose result settles a promise. Lives from start() until it has settled on the JavaScript thread.
class PromiseBatch : public Batch {
 public:
  PromiseBatch(Napi::Env env, size_t count) : Batch(count), deferred_(Napi::Promise::Deferred::New(env)) {}

  // Keeps a JavaScript value (and the memory behind it) alive meanwhile.
  void keep(Napi::Value value) { kept_.push_back(Napi::Reference<Napi::Value>::New(value, 1)); }

  Napi::Promise start(Napi::Env env) {
    const Napi::Promise promise = deferred_.Promise();
    if (count() == 0) {
      deferred_.Resolve(result(env));
      delete this;
      return promise;
    }
    done_ = Done::New(env, "reflink", 0, 1);
    Pool::instance().submit(this);
    return promise;
  }

  void finished() final {
    Done done = done_;  // `this` may be gone once the call is queued
    done.BlockingCall(this);
    done.Release();
  }

 protected:
  virtual Napi::Value result(Napi::Env env) = 0;

 private:
  static void settle(Napi::Env env, Napi::Function, void*, PromiseBatch* batch) {
    std::unique_ptr<PromiseBatch> owned(batch);
    if (env == nullptr) return;  // the environment is being torn down; nobody waits any more
    Napi::HandleScope scope(env);
    try {
      owned->deferred_.Resolve(owned->result(env));
    } catch (const Napi::Error& error) {
      owned->deferred_.Reject(error.Value());
    }
  }
  using Done = Napi::TypedThreadSafeFunction<void, PromiseBatch, &PromiseBatch::settle>;

  Napi::Promise::Deferred deferred_;
  std::vector<Napi::Reference<Napi::Value>> kept_;
  Done done_;
};

// One call on a thread of the pool that yields a number.
template <class Call>
class SingleCall : public PromiseBatch {
 public:
  SingleCall(Napi::Env env, Call call) : PromiseBatch(env, 1), call_(std::move(call)) {}
  void run(size_t) override { value_ = call_(); }

 protected:
  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, value_); }

 private:
  Call call_;
  int value_ = 0;
};

}  // namespace reflink
