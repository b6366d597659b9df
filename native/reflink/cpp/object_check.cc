// Which objects of a list are not there, or do not have the digest that is their name.
#include <algorithm>
#include <array>
#include <cstring>

#include "file_digest.h"
#include "napi_util.h"
#include "object_path.h"

namespace reflink {
namespace {

// An item is a group of objects: small ones are hashed side by side.
class DifferingObjects : public PromiseBatch {
 public:
  DifferingObjects(Napi::Env env, int dir, const Napi::Uint8Array& ids, Algorithm algorithm, bool required)
      : PromiseBatch(env, (ids.ByteLength() / digest_bytes(algorithm) + kGroup - 1) / kGroup),
        dir_(dir),
        ids_(ids.Data()),
        algorithm_(algorithm),
        required_(required),
        differs_(ids.ByteLength() / digest_bytes(algorithm), 1) {
    keep(ids);
  }

  void run(size_t group) override {
    const size_t width = digest_bytes(algorithm_);
    ContentGroup& contents = ContentGroup::of_thread();
    std::array<size_t, kGroup> rows;  // of the contents
    const auto compare = [&](size_t row, const uint8_t* digest) {
      differs_[row] = memcmp(digest, ids_ + row * width, width) != 0;
    };
    const auto hash = [&] {
      contents.hash(algorithm_);
      for (size_t i = 0; i < contents.count(); i++) compare(rows[i], contents.digest(i));
      contents.clear();
    };
    const size_t end = std::min(differs_.size(), (group + 1) * kGroup);
    for (size_t row = group * kGroup; row < end; row++) {
      const ObjectPath path(ids_ + row * width, width);
      uint8_t digest[kMaxDigestBytes];
      int error;
      const size_t waiting = contents.count();
      const FileDigest outcome = digest_file(dir_, path.text, algorithm_, required_, contents, digest, &error);
      if (contents.count() > waiting) {
        rows[waiting] = row;
        if (contents.full()) hash();
      } else if (outcome == FileDigest::kHashed || outcome == FileDigest::kMeasured) {
        compare(row, digest);
      }
    }
    hash();
  }

 protected:
  Napi::Value result(Napi::Env env) override {
    auto out = Napi::Uint32Array::New(env, static_cast<size_t>(std::count(differs_.begin(), differs_.end(), 1)));
    uint32_t* next = out.Data();
    for (size_t row = 0; row < differs_.size(); row++) {
      if (differs_[row]) *next++ = static_cast<uint32_t>(row);
    }
    return out;
  }

 private:
  static constexpr size_t kGroup = ContentGroup::kMaxFiles;

  const int dir_;
  const uint8_t* const ids_;
  const Algorithm algorithm_;
  const bool required_;
  std::vector<uint8_t> differs_;  // 0 or 1; those not looked at count as differing
};

Napi::Value differing_objects(const Napi::CallbackInfo& info) {
  const auto ids = array_arg<Napi::Uint8Array>(info, 1);
  const Algorithm algorithm = algorithm_arg(info, 2);
  if (ids.ByteLength() % digest_bytes(algorithm) != 0) throw Napi::TypeError::New(info.Env(), "ids of another length");
  return (new DifferingObjects(info.Env(), int_arg(info, 0), ids, algorithm, bool_arg(info, 3)))->start(info.Env());
}

// Rows of digests that are not among sorted ones, found by halving.
Napi::Value missing_digests(const Napi::CallbackInfo& info) {
  const auto sorted = array_arg<Napi::Uint8Array>(info, 0);
  const auto digests = array_arg<Napi::Uint8Array>(info, 1);
  const size_t width = digest_bytes(algorithm_arg(info, 2));
  if (sorted.ByteLength() % width != 0 || digests.ByteLength() % width != 0) {
    throw Napi::TypeError::New(info.Env(), "digests of another length");
  }
  std::vector<uint32_t> rows;
  for (size_t row = 0; row < digests.ByteLength() / width; row++) {
    const uint8_t* digest = digests.Data() + row * width;
    size_t low = 0, high = sorted.ByteLength() / width;
    bool found = false;
    while (low < high && !found) {
      const size_t middle = low + (high - low) / 2;
      const int order = memcmp(sorted.Data() + middle * width, digest, width);
      found = order == 0;
      if (order < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (!found) rows.push_back(static_cast<uint32_t>(row));
  }
  auto out = Napi::Uint32Array::New(info.Env(), rows.size());
  std::copy(rows.begin(), rows.end(), out.Data());
  return out;
}

}  // namespace

void init_object_check(Napi::Env env, Napi::Object exports) {
  exports["missingDigests"] = Napi::Function::New(env, missing_digests);
  exports["differingObjects"] = Napi::Function::New(env, differing_objects);
}

}  // namespace reflink
