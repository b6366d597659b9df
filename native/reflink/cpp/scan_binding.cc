// A whole directory tree as columns: a few typed arrays, whatever its size.
#include <algorithm>
#include <thread>

#include "handle.h"
#include "scan.h"

namespace reflink {
namespace {

template <class Array, class Element>
Array to_array(Napi::Env env, const std::vector<Element>& values) {
  auto array = Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Value to_buffer(Napi::Env env, const std::vector<uint8_t>& bytes) { return copy_buffer(env, bytes.data(), bytes.size()); }

Napi::Value to_object(Napi::Env env, const ScanFailure& failure) {
  auto out = Napi::Object::New(env);
  out["step"] = static_cast<uint32_t>(failure.step);
  out["errno"] = failure.error;
  out["path"] = copy_buffer(env, reinterpret_cast<const uint8_t*>(failure.path.data()), failure.path.size());
  out["expectedType"] = failure.expected;
  out["foundType"] = failure.found;
  out["expectedSize"] = static_cast<double>(failure.expected_size);
  out["foundSize"] = static_cast<double>(failure.row.size);
  out["outcome"] = static_cast<uint32_t>(failure.row.outcome);
  return out;
}

Napi::Value to_object(Napi::Env env, const ScanColumns& columns) {
  auto out = Napi::Object::New(env);
  out["kinds"] = to_array<Napi::Uint8Array>(env, columns.kinds);
  out["modes"] = to_array<Napi::Uint16Array>(env, columns.modes);
  out["uids"] = to_array<Napi::Uint32Array>(env, columns.uids);
  out["gids"] = to_array<Napi::Uint32Array>(env, columns.gids);
  out["mtimeSeconds"] = to_array<Napi::BigInt64Array>(env, columns.seconds);
  out["mtimeNanoseconds"] = to_array<Napi::Uint32Array>(env, columns.nanoseconds);
  out["sizes"] = to_array<Napi::Float64Array>(env, columns.sizes);
  out["contentLengths"] = to_array<Napi::Uint32Array>(env, columns.content_lengths);
  out["contents"] = to_buffer(env, columns.content_bytes);
  out["xattrCounts"] = to_array<Napi::Uint32Array>(env, columns.xattr_counts);
  out["xattrs"] = to_array<Napi::Uint32Array>(env, columns.xattrs);
  out["pairNameLengths"] = to_array<Napi::Uint32Array>(env, columns.pair_name_lengths);
  out["pairValueLengths"] = to_array<Napi::Uint32Array>(env, columns.pair_value_lengths);
  out["pairs"] = to_buffer(env, columns.pair_bytes);
  out["entryParents"] = to_array<Napi::Uint32Array>(env, columns.entry_parents);
  out["entryNodes"] = to_array<Napi::Uint32Array>(env, columns.entry_nodes);
  out["nameLengths"] = to_array<Napi::Uint16Array>(env, columns.name_lengths);
  out["names"] = to_buffer(env, columns.name_bytes);
  return out;
}

class ScanBatch : public PromiseBatch {
 public:
  ScanBatch(Napi::Env env, ScanSettings settings, size_t workers)
      : PromiseBatch(env, workers), scan_(std::move(settings), workers) {}

  void run(size_t item) override { scan_.work(item); }

 protected:
  Napi::Value result(Napi::Env env) override {
    auto out = Napi::Object::New(env);
    const bool failed = scan_.failure().step != ScanStep::kNone;
    out["failure"] = failed ? to_object(env, scan_.failure()) : env.Null();
    out["columns"] = failed ? env.Null() : to_object(env, scan_.columns());
    return out;
  }

 private:
  Scan scan_;
};

Napi::Value scan_directory(const Napi::CallbackInfo& info) {
  ScanSettings settings = {};
  settings.root_fd = int_arg(info, 0);
  settings.algorithm = algorithm_arg(info, 1);
  settings.inline_limit = integer_arg(info, 2, 0, UINT32_MAX);
  if (!info[3].IsNull()) settings.store = handle_arg<ObjectStore>(info, 3, kStoreTag);
  const auto cancel = array_arg<Napi::Int32Array>(info, 4);
  if (cancel.ElementLength() == 0) throw Napi::TypeError::New(info.Env(), "empty cancel flag");
  settings.cancel = reinterpret_cast<const std::atomic<int32_t>*>(cancel.Data());
  auto* batch = new ScanBatch(info.Env(), std::move(settings), std::max(1u, std::thread::hardware_concurrency()));
  batch->keep(cancel);
  return batch->start(info.Env());
}

}  // namespace

void init_scan(Napi::Env env, Napi::Object exports) {
  exports["scanDirectory"] = Napi::Function::New(env, scan_directory);
}

}  // namespace reflink
