// Batches of files into an object store.
#include <errno.h>

#include <algorithm>
#include <atomic>

#include "content_group.h"
#include "handle.h"
#include "object_store.h"
#include "store_columns.h"

namespace reflink {
namespace {

class StoreFiles : public RowBatch {
 public:
  StoreFiles(Napi::Env env, std::shared_ptr<ObjectStore> store, ObjectStore::OpenItem open,
             std::vector<SourceItem> items, Napi::Int32Array cancel)
      : RowBatch(env, (items.size() + kRun - 1) / kRun, items.size(), digest_bytes(store->settings().algorithm)),
        store_(std::move(store)),
        open_(std::move(open)),
        items_(std::move(items)),
        cancel_(reinterpret_cast<std::atomic<int32_t>*>(cancel.Data())) {
    keep(cancel);
  }

  void run(size_t run) override {
    // Runs start in order, so everything before the first failure has been begun and will be finished.
    if (failed_.load(std::memory_order_relaxed) || cancel_->load(std::memory_order_relaxed) != 0) return;
    const size_t first = run * kRun;
    const size_t count = std::min(kRun, items_.size() - first);
    Row* rows = rows_.data() + first;
    try {
      store_->store_files(open_, items_.data() + first, count, cancel_, rows);
    } catch (const std::bad_alloc&) {
      // Which of them were done cannot be told; what was stored is found by the next attempt.
      for (size_t i = 0; i < count; i++) rows[i].fail(Outcome::kFailedRead, -ENOMEM);
    }
    if (std::any_of(rows, rows + count, [](const Row& row) { return row.failed(); })) {
      failed_.store(true, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr size_t kRun = ContentGroup::kMaxFiles;

  const std::shared_ptr<ObjectStore> store_;
  const ObjectStore::OpenItem open_;
  const std::vector<SourceItem> items_;
  const std::atomic<int32_t>* const cancel_;
  std::atomic<bool> failed_{false};
};

Napi::Int32Array cancel_arg(const Napi::CallbackInfo& info, size_t i) {
  const auto cancel = array_arg<Napi::Int32Array>(info, i);
  if (cancel.ElementLength() == 0) throw Napi::TypeError::New(info.Env(), "empty cancel flag");
  return cancel;
}

Napi::Value store_files(const Napi::CallbackInfo& info) {
  auto store = handle_arg<ObjectStore>(info, 0, kStoreTag);
  auto items = paths_arg(info, 2);
  sizes_arg(info, 4, 0, items);
  checks_arg(info, 5, items);
  const auto open = [dirs = fds_arg(info, 1)](const SourceItem& item, Row& row) {
    return open_source(dirs, item, row);
  };
  return (new StoreFiles(info.Env(), std::move(store), open, std::move(items), cancel_arg(info, 7)))->start(info.Env());
}

// Files that are open already, by whomever.
Napi::Value store_open_files(const Napi::CallbackInfo& info) {
  auto store = handle_arg<ObjectStore>(info, 0, kStoreTag);
  const auto fds = fds_arg(info, 1);
  std::vector<SourceItem> items(fds.size());
  for (size_t i = 0; i < fds.size(); i++) items[i].fd = fds[i];
  sizes_arg(info, 2, 0, items);
  checks_arg(info, 3, items);
  const auto open = [](const SourceItem& item, Row& row) { return take_source(item.fd, item, row); };
  return (new StoreFiles(info.Env(), std::move(store), open, std::move(items), cancel_arg(info, 5)))->start(info.Env());
}

}  // namespace

void init_store_files(Napi::Env env, Napi::Object exports) {
  exports["storeFiles"] = Napi::Function::New(env, store_files);
  exports["storeOpenFiles"] = Napi::Function::New(env, store_open_files);
}

}  // namespace reflink
