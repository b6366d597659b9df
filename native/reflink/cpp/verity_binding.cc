// fs-verity: digests of buffers and files, the two ioctls, and which hash implementation is in use.
#include <errno.h>
#include <string.h>

#include <algorithm>

#include "file_digest.h"
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
    errors_[item] = -digest_content(fds_[item], algorithm_, digests_.data() + item * digest_bytes(algorithm_));
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

// Digests of files by name beneath one directory. An item is a group of files: small ones are hashed side by side.
class DigestFiles : public PromiseBatch {
 public:
  DigestFiles(Napi::Env env, int dir, const Napi::Uint8Array& paths, const Napi::Uint32Array& ends, Algorithm algorithm,
              bool required)
      : PromiseBatch(env, (ends.ElementLength() + kGroup - 1) / kGroup),
        dir_(dir),
        algorithm_(algorithm),
        required_(required),
        digests_(ends.ElementLength() * digest_bytes(algorithm)),
        outcomes_(ends.ElementLength()),
        errors_(ends.ElementLength()) {
    size_t start = 0;
    paths_.reserve(ends.ElementLength());
    for (size_t i = 0; i < ends.ElementLength(); i++) {
      const size_t end = ends[i];
      if (end < start || end > paths.ByteLength()) throw Napi::TypeError::New(env, "bad path column");
      paths_.emplace_back(reinterpret_cast<const char*>(paths.Data()) + start, end - start);
      if (paths_.back().find('\0') != std::string::npos) throw Napi::TypeError::New(env, "path with a NUL byte");
      start = end;
    }
  }

  void run(size_t group) override {
    ContentGroup& contents = ContentGroup::of_thread();
    std::vector<size_t> rows;  // of the contents
    const auto hash = [&] {
      contents.hash(algorithm_);
      const size_t width = digest_bytes(algorithm_);
      for (size_t i = 0; i < rows.size(); i++) memcpy(digests_.data() + rows[i] * width, contents.digest(i), width);
      contents.clear();
      rows.clear();
    };
    const size_t end = std::min(paths_.size(), (group + 1) * kGroup);
    for (size_t row = group * kGroup; row < end; row++) {
      int error = 0;
      const size_t waiting = contents.count();
      uint8_t* out = digests_.data() + row * digest_bytes(algorithm_);
      const FileDigest outcome = digest_file(dir_, paths_[row].c_str(), algorithm_, required_, contents, out, &error);
      outcomes_[row] = static_cast<uint8_t>(outcome);
      errors_[row] = -error;
      if (contents.count() > waiting) rows.push_back(row);
      if (contents.full()) hash();
    }
    hash();
  }

 protected:
  Napi::Value result(Napi::Env env) override {
    auto out = Napi::Object::New(env);
    out["digests"] = copy_buffer(env, digests_.data(), digests_.size());
    auto outcomes = Napi::Uint8Array::New(env, outcomes_.size());
    std::copy(outcomes_.begin(), outcomes_.end(), outcomes.Data());
    out["outcomes"] = outcomes;
    auto errnos = Napi::Int32Array::New(env, errors_.size());
    std::copy(errors_.begin(), errors_.end(), errnos.Data());
    out["errnos"] = errnos;
    return out;
  }

 private:
  static constexpr size_t kGroup = ContentGroup::kMaxFiles;

  const int dir_;
  const Algorithm algorithm_;
  const bool required_;
  std::vector<std::string> paths_;
  std::vector<uint8_t> digests_;
  std::vector<uint8_t> outcomes_;
  std::vector<int32_t> errors_;
};

Napi::Value digest_files(const Napi::CallbackInfo& info) {
  const auto paths = array_arg<Napi::Uint8Array>(info, 1);
  const auto ends = array_arg<Napi::Uint32Array>(info, 2);
  const bool required = info[4].As<Napi::Boolean>();
  return (new DigestFiles(info.Env(), int_arg(info, 0), paths, ends, algorithm_arg(info, 3), required))
      ->start(info.Env());
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
  exports["digestFiles"] = Napi::Function::New(env, digest_files);
  exports["hashImplementations"] = Napi::Function::New(env, implementations);
  exports["useHashImplementation"] = Napi::Function::New(env, use);
}

}  // namespace reflink
