// Files that one process opens and another stores: batches that open by path, and batches that store what is open.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <atomic>

#include "handle.h"
#include "object_store.h"
#include "store_rows.h"

namespace reflink {
namespace {

// Opens files beneath the first directory that has them. After the first failure files not yet begun stay closed.
class OpenFiles : public PromiseBatch {
 public:
  OpenFiles(Napi::Env env, std::vector<int> dirs, std::vector<SourceItem> items)
      : PromiseBatch(env, items.size()),
        dirs_(std::move(dirs)),
        items_(std::move(items)),
        rows_(items_.size()),
        fds_(items_.size()) {}

  void run(size_t item) override {
    if (failed_.load(std::memory_order_relaxed)) return;
    Row& row = rows_[item];
    uint64_t size = 0;
    dev_t device = 0;
    row.outcome = Outcome::kInline;
    fds_[item] = open_source(dirs_, items_[item], &size, &device, row);
    if (row.failed()) failed_.store(true, std::memory_order_relaxed);
  }

 protected:
  Napi::Value result(Napi::Env env) override {
    Napi::Value columns = rows_to_columns(env, rows_, 0);
    auto fds = Napi::Int32Array::New(env, fds_.size());
    auto object = columns.As<Napi::Object>();
    object["fds"] = fds;
    // Of a batch that failed nothing stays open.
    const bool whole = !failed_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < fds_.size(); i++) fds[i] = whole ? fds_[i].release() : -1;
    return columns;
  }

 private:
  const std::vector<int> dirs_;
  const std::vector<SourceItem> items_;
  std::vector<Row> rows_;
  std::vector<Fd> fds_;
  std::atomic<bool> failed_{false};
};

// Stores files that are open already, by whomever: that each is a regular file of the declared size is checked here.
class StoreOpenFiles : public PromiseBatch {
 public:
  StoreOpenFiles(Napi::Env env, std::shared_ptr<ObjectStore> store, std::vector<int> fds, std::vector<SourceItem> items,
                 Napi::Int32Array cancel)
      : PromiseBatch(env, items.size()),
        store_(std::move(store)),
        fds_(std::move(fds)),
        items_(std::move(items)),
        rows_(items_.size()),
        cancel_(reinterpret_cast<std::atomic<int32_t>*>(cancel.Data())) {
    keep(cancel);
  }

  void run(size_t item) override {
    Row& row = rows_[item];
    if (failed_.load(std::memory_order_relaxed) || cancel_->load(std::memory_order_relaxed) != 0) return;
    try {
      store(fds_[item], items_[item], row);
    } catch (const std::bad_alloc&) {
      row.fail(Outcome::kFailedRead, -ENOMEM);
    }
    if (row.failed()) failed_.store(true, std::memory_order_relaxed);
  }

 protected:
  Napi::Value result(Napi::Env env) override {
    return rows_to_columns(env, rows_, digest_bytes(store_->settings().algorithm));
  }

 private:
  void store(int fd, const SourceItem& item, Row& row) {
    struct stat st;
    if (fstat(fd, &st) < 0) return row.fail(Outcome::kFailedOpen, -errno);
    if (!S_ISREG(st.st_mode)) return row.fail(Outcome::kFailedNotRegular);
    const uint64_t size = static_cast<uint64_t>(st.st_size);
    if (size != item.size) return row.fail(Outcome::kFailedSize, 0, size);
    if (item.inline_content) return read_whole(fd, size, item, row);
    store_->store_open_file(fd, st.st_dev, item, cancel_, row);
  }

  const std::shared_ptr<ObjectStore> store_;
  const std::vector<int> fds_;
  const std::vector<SourceItem> items_;
  std::vector<Row> rows_;
  const std::atomic<int32_t>* const cancel_;
  std::atomic<bool> failed_{false};
};

std::vector<int> fds_arg(const Napi::CallbackInfo& info, size_t i) {
  const auto fds = array_arg<Napi::Int32Array>(info, i);
  return std::vector<int>(fds.Data(), fds.Data() + fds.ElementLength());
}

std::vector<SourceItem> sizes_arg(const Napi::CallbackInfo& info, size_t i) {
  const auto sizes = array_arg<Napi::Float64Array>(info, i);
  std::vector<SourceItem> items(sizes.ElementLength());
  for (size_t item = 0; item < items.size(); item++) {
    const double size = sizes[item];
    if (!(size >= 0 && size <= kMaxSafeInteger)) throw Napi::RangeError::New(info.Env(), "size out of range");
    items[item].size = static_cast<uint64_t>(size);
  }
  return items;
}

Napi::Value open_files(const Napi::CallbackInfo& info) {
  const auto paths = array_arg<Napi::Uint8Array>(info, 1);
  const auto ends = array_arg<Napi::Uint32Array>(info, 2);
  auto items = sizes_arg(info, 3);
  if (ends.ElementLength() != items.size()) throw Napi::TypeError::New(info.Env(), "columns differ in length");
  size_t start = 0;
  for (size_t i = 0; i < items.size(); i++) {
    const size_t end = ends[i];
    if (end < start || end > paths.ByteLength()) throw Napi::TypeError::New(info.Env(), "bad path column");
    items[i].path.assign(reinterpret_cast<const char*>(paths.Data()) + start, end - start);
    if (items[i].path.find('\0') != std::string::npos) throw Napi::TypeError::New(info.Env(), "path with a NUL byte");
    start = end;
  }
  return (new OpenFiles(info.Env(), fds_arg(info, 0), std::move(items)))->start(info.Env());
}

Napi::Value store_open_files(const Napi::CallbackInfo& info) {
  auto store = handle_arg<ObjectStore>(info, 0, kStoreTag);
  auto fds = fds_arg(info, 1);
  auto items = sizes_arg(info, 2);
  const auto crcs = array_arg<Napi::Uint8Array>(info, 3);
  const auto flags = array_arg<Napi::Uint8Array>(info, 4);
  const auto cancel = array_arg<Napi::Int32Array>(info, 5);
  if (fds.size() != items.size() || flags.ElementLength() != items.size() ||
      crcs.ElementLength() != items.size() * 8 || cancel.ElementLength() == 0) {
    throw Napi::TypeError::New(info.Env(), "columns differ in length");
  }
  for (size_t i = 0; i < items.size(); i++) {
    items[i].check_crc = flags[i] & kFlagCheckCrc;
    items[i].inline_content = flags[i] & kFlagInline;
    uint64_t crc;
    memcpy(&crc, crcs.Data() + i * 8, sizeof crc);
    items[i].crc = __builtin_bswap64(crc);
  }
  return (new StoreOpenFiles(info.Env(), std::move(store), std::move(fds), std::move(items), cancel))
      ->start(info.Env());
}

}  // namespace

void init_open_files(Napi::Env env, Napi::Object exports) {
  exports["openFiles"] = Napi::Function::New(env, open_files);
  exports["storeOpenFiles"] = Napi::Function::New(env, store_open_files);
}

}  // namespace reflink
