// Batches of files beneath directories: opened, for another process to store, or read.
#include <errno.h>

#include <atomic>

#include "store_columns.h"

namespace reflink {
namespace {

// Opens files beneath the first directory that has them. After the first failure files not yet begun stay closed.
class OpenFiles : public RowBatch {
 public:
  OpenFiles(Napi::Env env, std::vector<int> dirs, std::vector<SourceItem> items)
      : RowBatch(env, items.size(), 0), dirs_(std::move(dirs)), items_(std::move(items)), fds_(items_.size()) {}

  void run(size_t item) override {
    if (failed_.load(std::memory_order_relaxed)) return;
    Row& row = rows_[item];
    row.outcome = Outcome::kInline;
    fds_[item] = open_source(dirs_, items_[item], row).owned;
    if (row.failed()) failed_.store(true, std::memory_order_relaxed);
  }

 protected:
  Napi::Value result(Napi::Env env) override {
    Napi::Value columns = RowBatch::result(env);
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
  std::vector<Fd> fds_;
  std::atomic<bool> failed_{false};
};

class ReadFiles : public RowBatch {
 public:
  ReadFiles(Napi::Env env, std::vector<int> dirs, std::vector<SourceItem> items, uint64_t limit)
      : RowBatch(env, items.size(), 0), dirs_(std::move(dirs)), items_(std::move(items)), limit_(limit) {}

  void run(size_t item) override {
    try {
      read_file(dirs_, items_[item], limit_, rows_[item]);
    } catch (const std::bad_alloc&) {
      rows_[item].fail(Outcome::kFailedRead, -ENOMEM);
    }
  }

 private:
  const std::vector<int> dirs_;
  const std::vector<SourceItem> items_;
  const uint64_t limit_;
};

Napi::Value open_files(const Napi::CallbackInfo& info) {
  auto items = paths_arg(info, 1);
  sizes_arg(info, 3, 0, items);
  return (new OpenFiles(info.Env(), fds_arg(info, 0), std::move(items)))->start(info.Env());
}

Napi::Value read_files(const Napi::CallbackInfo& info) {
  auto items = paths_arg(info, 1);
  sizes_arg(info, 3, -1, items);  // -1: any size
  const uint64_t limit = integer_arg(info, 4, 0, kMaxSafeInteger);
  return (new ReadFiles(info.Env(), fds_arg(info, 0), std::move(items), limit))->start(info.Env());
}

}  // namespace

void init_open_files(Napi::Env env, Napi::Object exports) {
  exports["openFiles"] = Napi::Function::New(env, open_files);
  exports["readFiles"] = Napi::Function::New(env, read_files);
}

}  // namespace reflink
