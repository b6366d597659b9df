#include "store_columns.h"

#include <string.h>

namespace reflink {
namespace {

constexpr uint8_t kFlagCheckCrc = 1, kFlagInline = 2;

}  // namespace

Napi::Value RowBatch::result(Napi::Env env) {
  const size_t count = rows_.size();
  size_t inline_bytes = 0;
  for (const Row& row : rows_) inline_bytes += row.content.size();
  auto ids = Napi::Buffer<uint8_t>::New(env, count * id_bytes_);
  auto outcomes = Napi::Uint8Array::New(env, count);
  auto errnos = Napi::Int32Array::New(env, count);
  auto sizes = Napi::Float64Array::New(env, count);
  auto content = Napi::Buffer<uint8_t>::New(env, inline_bytes);
  uint8_t* out = content.Data();
  for (size_t i = 0; i < count; i++) {
    const Row& row = rows_[i];
    memcpy(ids.Data() + i * id_bytes_, row.id.data(), id_bytes_);
    outcomes[i] = static_cast<uint8_t>(row.outcome);
    errnos[i] = row.error;
    sizes[i] = static_cast<double>(row.size);
    if (row.outcome == Outcome::kInline && !row.content.empty()) {
      memcpy(out, row.content.data(), row.content.size());
      out += row.content.size();
    }
  }
  auto result = Napi::Object::New(env);
  result["ids"] = ids;
  result["outcomes"] = outcomes;
  result["errnos"] = errnos;
  result["sizes"] = sizes;
  result["inline"] = content;
  return result;
}

std::vector<SourceItem> paths_arg(const Napi::CallbackInfo& info, size_t first) {
  const auto paths = array_arg<Napi::Uint8Array>(info, first);
  const auto ends = array_arg<Napi::Uint32Array>(info, first + 1);
  std::vector<SourceItem> items(ends.ElementLength());
  size_t start = 0;
  for (size_t i = 0; i < items.size(); i++) {
    const size_t end = ends[i];
    if (end < start || end > paths.ByteLength()) throw Napi::TypeError::New(info.Env(), "bad path column");
    items[i].path.assign(reinterpret_cast<const char*>(paths.Data()) + start, end - start);
    if (items[i].path.find('\0') != std::string::npos) throw Napi::TypeError::New(info.Env(), "path with a NUL byte");
    start = end;
  }
  return items;
}

void sizes_arg(const Napi::CallbackInfo& info, size_t i, double least, std::vector<SourceItem>& items) {
  const auto sizes = array_arg<Napi::Float64Array>(info, i);
  if (sizes.ElementLength() != items.size()) throw Napi::TypeError::New(info.Env(), "columns differ in length");
  for (size_t item = 0; item < items.size(); item++) {
    const double size = sizes[item];
    if (!(size >= least && size <= kMaxSafeInteger)) throw Napi::RangeError::New(info.Env(), "size out of range");
    items[item].size = size < 0 ? kAnySize : static_cast<uint64_t>(size);
  }
}

void checks_arg(const Napi::CallbackInfo& info, size_t first, std::vector<SourceItem>& items) {
  const auto crcs = array_arg<Napi::Uint8Array>(info, first);
  const auto flags = array_arg<Napi::Uint8Array>(info, first + 1);
  if (flags.ElementLength() != items.size() || crcs.ElementLength() != items.size() * 8) {
    throw Napi::TypeError::New(info.Env(), "columns differ in length");
  }
  for (size_t i = 0; i < items.size(); i++) {
    items[i].check_crc = flags[i] & kFlagCheckCrc;
    items[i].inline_content = flags[i] & kFlagInline;
    uint64_t crc;
    memcpy(&crc, crcs.Data() + i * 8, sizeof crc);
    items[i].crc = __builtin_bswap64(crc);
  }
}

std::vector<int> fds_arg(const Napi::CallbackInfo& info, size_t i) {
  const auto fds = array_arg<Napi::Int32Array>(info, i);
  return std::vector<int>(fds.Data(), fds.Data() + fds.ElementLength());
}

}  // namespace reflink
