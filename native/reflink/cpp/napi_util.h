// Argument access and promises for the bindings. Arguments come from our own TypeScript, which checks them; a wrong
// type here is a bug and throws a TypeError.
#pragma once

// An exception that cannot be thrown any more, in a worker that is being terminated, is dropped and does not abort.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "pool.h"
#include "sha2.h"

namespace reflink {

void init_files(Napi::Env env, Napi::Object exports);
void init_verity(Napi::Env env, Napi::Object exports);
void init_store(Napi::Env env, Napi::Object exports);
void init_store_files(Napi::Env env, Napi::Object exports);
void init_object_sizes(Napi::Env env, Napi::Object exports);
void init_object_listing(Napi::Env env, Napi::Object exports);
void init_object_check(Napi::Env env, Napi::Object exports);
void init_scan(Napi::Env env, Napi::Object exports);
void init_mount(Napi::Env env, Napi::Object exports);
void init_inflater(Napi::Env env, Napi::Object exports);
void init_digester(Napi::Env env, Napi::Object exports);
void init_fd_passing(Napi::Env env, Napi::Object exports);
void init_open_files(Napi::Env env, Napi::Object exports);

// An integer from `low` to `high`, both exactly representable. Conversion alone would turn NaN into 0, a descriptor.
inline int64_t integer_arg(const Napi::CallbackInfo& info, size_t i, double low, double high) {
  if (!info[i].IsNumber()) throw Napi::TypeError::New(info.Env(), "number expected");
  const double value = info[i].As<Napi::Number>().DoubleValue();
  if (!(value >= low && value <= high) || value != std::floor(value)) {
    throw Napi::RangeError::New(info.Env(), "number out of range");
  }
  return static_cast<int64_t>(value);
}

inline int int_arg(const Napi::CallbackInfo& info, size_t i) {
  return static_cast<int>(integer_arg(info, i, INT32_MIN, INT32_MAX));
}

inline bool bool_arg(const Napi::CallbackInfo& info, size_t i) {
  if (!info[i].IsBoolean()) throw Napi::TypeError::New(info.Env(), "boolean expected");
  return info[i].As<Napi::Boolean>();
}

inline Algorithm algorithm_arg(const Napi::CallbackInfo& info, size_t i) {
  const int number = int_arg(info, i);
  if (number != 1 && number != 2) throw Napi::TypeError::New(info.Env(), "algorithm is neither 1 nor 2");
  return static_cast<Algorithm>(number);
}

template <class Array>
constexpr napi_typedarray_type kTypedArrayType = napi_uint8_array;
template <>
inline constexpr napi_typedarray_type kTypedArrayType<Napi::Int32Array> = napi_int32_array;
template <>
inline constexpr napi_typedarray_type kTypedArrayType<Napi::Uint32Array> = napi_uint32_array;
template <>
inline constexpr napi_typedarray_type kTypedArrayType<Napi::Float64Array> = napi_float64_array;

// Of exactly this type: elements of another width would be read past the end.
template <class Array>
Array typed_array(Napi::Env env, const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != kTypedArrayType<Array>) {
    throw Napi::TypeError::New(env, "typed array of another type expected");
  }
  return value.As<Array>();
}

template <class Array>
Array array_arg(const Napi::CallbackInfo& info, size_t i) {
  return typed_array<Array>(info.Env(), info[i]);
}

// The memory behind each Uint8Array of an array.
inline std::vector<std::pair<const uint8_t*, size_t>> byte_spans(Napi::Env env, const Napi::Value& value) {
  if (!value.IsArray()) throw Napi::TypeError::New(env, "array expected");
  const auto array = value.As<Napi::Array>();
  std::vector<std::pair<const uint8_t*, size_t>> spans;
  for (uint32_t i = 0; i < array.Length(); i++) {
    const auto bytes = typed_array<Napi::Uint8Array>(env, array[i]);
    spans.push_back({bytes.Data(), bytes.ByteLength()});
  }
  return spans;
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

class PromiseBatch;
void settle_batch(Napi::Env env, Napi::Function, void*, PromiseBatch* batch);

// The batches of one JavaScript environment that are under way, and its way to hear of their ends. They read its memory,
// so an environment that ends (process.exit(), a terminated worker) first waits for the items that run; the others are
// not begun.
class EnvBatches {
 public:
  static EnvBatches& of(Napi::Env env) { return *env.GetInstanceData<EnvBatches>(); }

  explicit EnvBatches(Napi::Env env) : done_(Done::New(env, "reflink", 0, 1)) {
    done_.Unref(env);
    // Hooks run last in, first out: this one, while the function above still takes calls.
    napi_add_env_cleanup_hook(env, [](void* batches) { static_cast<EnvBatches*>(batches)->close(); }, this);
  }

  bool closing() const { return closing_.load(std::memory_order_relaxed); }

  // On the JavaScript thread, before and after; the event loop goes on while there is any.
  void begin(Napi::Env env) {
    if (unsettled_++ == 0) done_.Ref(env);
    std::lock_guard<std::mutex> hold(mutex_);
    running_++;
  }
  void settled(Napi::Env env) {
    if (--unsettled_ == 0) done_.Unref(env);
  }

  // On any thread: has the batch settled, unless it never ran. From here on it may be gone.
  void ended(PromiseBatch* batch) {
    if (batch) done_.BlockingCall(batch);
    std::lock_guard<std::mutex> hold(mutex_);
    running_--;
    idle_.notify_all();
  }

 private:
  using Done = Napi::TypedThreadSafeFunction<void, PromiseBatch, settle_batch>;

  void close() {
    closing_.store(true, std::memory_order_relaxed);
    std::unique_lock<std::mutex> hold(mutex_);
    idle_.wait(hold, [&] { return running_ == 0; });
  }

  Done done_;
  size_t unsettled_ = 0;
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::condition_variable idle_;
  size_t running_ = 0;
};

// A batch whose result settles a promise. Lives from start() until it has settled on the JavaScript thread.
class PromiseBatch : public Batch {
 public:
  PromiseBatch(Napi::Env env, size_t count)
      : Batch(count), batches_(EnvBatches::of(env)), deferred_(Napi::Promise::Deferred::New(env)) {}

  // Keeps a JavaScript value (and the memory behind it) alive meanwhile.
  void keep(Napi::Value value) { kept_.push_back(Napi::Reference<Napi::Value>::New(value, 1)); }

  Napi::Promise start(Napi::Env env) {
    const Napi::Promise promise = deferred_.Promise();
    if (count() == 0) {
      deferred_.Resolve(result(env));
      delete this;
      return promise;
    }
    batches_.begin(env);
    try {
      submit();
    } catch (const std::system_error& error) {
      batches_.ended(nullptr);
      batches_.settled(env);
      deferred_.Reject(Napi::Error::New(env, std::string("no native thread: ") + error.what()).Value());
      delete this;
    }
    return promise;
  }

  void finished() final { batches_.ended(this); }

  bool abandoned() const final { return batches_.closing(); }

 protected:
  virtual Napi::Value result(Napi::Env env) = 0;
  virtual void submit() { Pool::instance().submit(this); }

 private:
  friend void settle_batch(Napi::Env, Napi::Function, void*, PromiseBatch*);

  EnvBatches& batches_;
  Napi::Promise::Deferred deferred_;
  std::vector<Napi::Reference<Napi::Value>> kept_;
};

inline void settle_batch(Napi::Env env, Napi::Function, void*, PromiseBatch* batch) {
  std::unique_ptr<PromiseBatch> owned(batch);
  if (env == nullptr) return;  // the environment is being torn down; nobody waits any more
  batch->batches_.settled(env);
  Napi::HandleScope scope(env);
  try {
    try {
      batch->deferred_.Resolve(batch->result(env));
    } catch (const Napi::Error& error) {
      batch->deferred_.Reject(error.Value());
    }
  } catch (const Napi::Error&) {
    // A worker that is being terminated runs no more JavaScript: nobody is left to be told.
  }
}

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
