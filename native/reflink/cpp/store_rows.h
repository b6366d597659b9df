// Batches that store files: what their bindings share.
#pragma once

#include <vector>

#include "napi_util.h"
#include "object_store.h"

namespace reflink {

// Flags of an item, shared with src/object-store.ts.
constexpr uint8_t kFlagCheckCrc = 1, kFlagInline = 2;
constexpr double kMaxSafeInteger = 9007199254740991;

// What became of each item, as the columns of NativeStoreResult in src/binding.ts.
Napi::Value rows_to_columns(Napi::Env env, const std::vector<Row>& rows, size_t id_bytes);

}  // namespace reflink
