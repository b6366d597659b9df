// Batches of files as columns: items go in and outcomes come back as a handful of JavaScript values, not some for every
// file.
#pragma once

#include <vector>

#include "napi_util.h"
#include "source_file.h"

namespace reflink {

constexpr double kMaxSafeInteger = 9007199254740991;

// The columns of packFiles() in src/object-store.ts, taken apart: `first` is that of the paths, or of the descriptors,
// then come ends of paths, sizes, checksums and flags.
std::vector<SourceItem> paths_arg(const Napi::CallbackInfo& info, size_t first);
void sizes_arg(const Napi::CallbackInfo& info, size_t i, double least, std::vector<SourceItem>& items);
void checks_arg(const Napi::CallbackInfo& info, size_t first, std::vector<SourceItem>& items);
std::vector<int> fds_arg(const Napi::CallbackInfo& info, size_t i);

// A batch with an outcome for each file: the columns of NativeStoreResult in src/binding.ts.
class RowBatch : public PromiseBatch {
 public:
  RowBatch(Napi::Env env, size_t count, size_t id_bytes) : RowBatch(env, count, count, id_bytes) {}
  RowBatch(Napi::Env env, size_t count, size_t rows, size_t id_bytes)
      : PromiseBatch(env, count), rows_(rows), id_bytes_(id_bytes) {}

 protected:
  Napi::Value result(Napi::Env env) override;

  std::vector<Row> rows_;

 private:
  const size_t id_bytes_;
};

}  // namespace reflink
