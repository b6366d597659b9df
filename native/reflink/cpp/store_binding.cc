// Batches of files and buffers into an object store. Items go in as columns and come back as columns, so that a batch
// costs a handful of JavaScript values, not some for every file.
#include <errno.h>
#include <string.h>

#include <atomic>
#include <mutex>

#include "handle.h"
#include "object_store.h"
#include "store_rows.h"

namespace reflink {
namespace {

constexpr int kMostThreads = 1024;
constexpr napi_type_tag kWriterTag = {0x636f6d706f736566, 0x7772697465720001};

}  // namespace

Napi::Value rows_to_columns(Napi::Env env, const std::vector<Row>& rows, size_t id_bytes) {
  const size_t count = rows.size();
  size_t inline_bytes = 0;
  for (const Row& row : rows) inline_bytes += row.content.size();
  auto ids = Napi::Buffer<uint8_t>::New(env, count * id_bytes);
  auto outcomes = Napi::Uint8Array::New(env, count);
  auto errnos = Napi::Int32Array::New(env, count);
  auto sizes = Napi::Float64Array::New(env, count);
  auto content = Napi::Buffer<uint8_t>::New(env, inline_bytes);
  uint8_t* out = content.Data();
  for (size_t i = 0; i < count; i++) {
    const Row& row = rows[i];
    memcpy(ids.Data() + i * id_bytes, row.id.data(), id_bytes);
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

namespace {

class RowBatch : public PromiseBatch {
 public:
  RowBatch(Napi::Env env, size_t count, size_t id_bytes) : PromiseBatch(env, count), rows_(count), id_bytes_(id_bytes) {}

 protected:
  Napi::Value result(Napi::Env env) override { return rows_to_columns(env, rows_, id_bytes_); }

  std::vector<Row> rows_;

 private:
  const size_t id_bytes_;
};

// The columns of packFiles() in src/object-store.ts, taken apart. Crcs and flags may be absent.
std::vector<SourceItem> items_arg(const Napi::CallbackInfo& info, size_t first, bool checks) {
  const auto paths = array_arg<Napi::Uint8Array>(info, first);
  const auto ends = array_arg<Napi::Uint32Array>(info, first + 1);
  const auto sizes = array_arg<Napi::Float64Array>(info, first + 2);
  const size_t count = ends.ElementLength();
  if (sizes.ElementLength() != count) throw Napi::TypeError::New(info.Env(), "columns differ in length");
  std::vector<SourceItem> items(count);
  size_t start = 0;
  for (size_t i = 0; i < count; i++) {
    const size_t end = ends[i];
    if (end < start || end > paths.ByteLength()) throw Napi::TypeError::New(info.Env(), "bad path column");
    items[i].path.assign(reinterpret_cast<const char*>(paths.Data()) + start, end - start);
    if (items[i].path.find('\0') != std::string::npos) throw Napi::TypeError::New(info.Env(), "path with a NUL byte");
    const double size = sizes[i];
    // -1, any size, is for readFiles() alone: what is stored must have the size its source declares.
    if (!(size >= (checks ? 0 : -1) && size <= kMaxSafeInteger)) {
      throw Napi::RangeError::New(info.Env(), "size out of range");
    }
    items[i].size = size < 0 ? kAnySize : static_cast<uint64_t>(size);
    start = end;
  }
  if (!checks) return items;
  const auto crcs = array_arg<Napi::Uint8Array>(info, first + 3);
  const auto flags = array_arg<Napi::Uint8Array>(info, first + 4);
  if (flags.ElementLength() != count || crcs.ElementLength() != count * 8) {
    throw Napi::TypeError::New(info.Env(), "columns differ in length");
  }
  for (size_t i = 0; i < count; i++) {
    items[i].check_crc = flags[i] & kFlagCheckCrc;
    items[i].inline_content = flags[i] & kFlagInline;
    uint64_t crc;
    memcpy(&crc, crcs.Data() + i * 8, sizeof crc);
    items[i].crc = __builtin_bswap64(crc);
  }
  return items;
}

std::vector<int> fds_arg(const Napi::CallbackInfo& info, size_t i) {
  const auto fds = array_arg<Napi::Int32Array>(info, i);
  return std::vector<int>(fds.Data(), fds.Data() + fds.ElementLength());
}

using Spans = std::vector<std::pair<const uint8_t*, size_t>>;

class StoreFiles : public RowBatch {
 public:
  StoreFiles(Napi::Env env, std::shared_ptr<ObjectStore> store, std::vector<int> dirs, std::vector<SourceItem> items,
             Napi::Int32Array cancel)
      : RowBatch(env, items.size(), digest_bytes(store->settings().algorithm)),
        store_(std::move(store)),
        dirs_(std::move(dirs)),
        items_(std::move(items)),
        cancel_(reinterpret_cast<std::atomic<int32_t>*>(cancel.Data())) {
    keep(cancel);
  }

  void run(size_t item) override {
    Row& row = rows_[item];
    // Items start in order, so everything before the first failure has been begun and will be finished.
    if (failed_.load(std::memory_order_relaxed) || cancel_->load(std::memory_order_relaxed) != 0) return;
    try {
      store_->store_file(dirs_, items_[item], cancel_, row);
    } catch (const std::bad_alloc&) {
      row.fail(Outcome::kFailedRead, -ENOMEM);
    }
    if (row.failed()) failed_.store(true, std::memory_order_relaxed);
  }

 private:
  const std::shared_ptr<ObjectStore> store_;
  const std::vector<int> dirs_;
  const std::vector<SourceItem> items_;
  const std::atomic<int32_t>* const cancel_;
  std::atomic<bool> failed_{false};
};

class StoreBuffers : public RowBatch {
 public:
  StoreBuffers(Napi::Env env, std::shared_ptr<ObjectStore> store, Spans contents)
      : RowBatch(env, contents.size(), digest_bytes(store->settings().algorithm)),
        store_(std::move(store)),
        contents_(std::move(contents)) {}

  void run(size_t item) override { store_->store_buffer(contents_[item].first, contents_[item].second, rows_[item]); }

 private:
  const std::shared_ptr<ObjectStore> store_;
  const Spans contents_;
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

// An object whose bytes arrive in pieces. JavaScript awaits each call before the next, except that it may abort at any
// time: the mutex keeps a descriptor from being closed, and its number from being reused, under a running write.
struct Writer {
  explicit Writer(std::shared_ptr<ObjectStore> store_) : store(std::move(store_)), hasher(store->settings().algorithm) {}
  const std::shared_ptr<ObjectStore> store;
  std::mutex mutex;
  VerityHasher hasher;
  Staging staging;
  uint64_t size = 0;
  int error = 0;  // of the first write that failed; what follows it would be an object with a hole
};

class WriteChunks : public PromiseBatch {
 public:
  WriteChunks(Napi::Env env, std::shared_ptr<Writer> writer, Spans chunks)
      : PromiseBatch(env, 1), writer_(std::move(writer)), chunks_(std::move(chunks)) {}

  void run(size_t) override {
    std::lock_guard<std::mutex> hold(writer_->mutex);
    if (writer_->staging.fd() < 0) writer_->error = -EBADF;
    const bool hash = !writer_->store->settings().verity;
    for (const auto& [data, length] : chunks_) {
      if (writer_->error < 0) break;
      if (hash) writer_->hasher.update(data, length);
      writer_->error = write_all(writer_->staging.fd(), data, length);
      writer_->size += length;
    }
    error_ = writer_->error;
  }

 protected:
  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, error_); }

 private:
  const std::shared_ptr<Writer> writer_;
  const Spans chunks_;
  int error_ = 0;
};

class FinishWriter : public RowBatch {
 public:
  FinishWriter(Napi::Env env, std::shared_ptr<Writer> writer)
      : RowBatch(env, 1, digest_bytes(writer->store->settings().algorithm)), writer_(std::move(writer)) {}

  void run(size_t) override {
    std::lock_guard<std::mutex> hold(writer_->mutex);
    if (writer_->staging.fd() < 0) return rows_[0].fail(Outcome::kFailedStage, -EBADF);  // finished or aborted
    if (writer_->error < 0) {
      writer_->staging.discard();
      return rows_[0].fail(Outcome::kFailedWrite, writer_->error);
    }
    uint8_t digest[kMaxDigestBytes];
    writer_->hasher.finish(digest);
    writer_->store->commit(writer_->staging, digest, writer_->size, Outcome::kCopied, rows_[0]);
    writer_->staging.discard();
  }

 private:
  const std::shared_ptr<Writer> writer_;
};

Napi::Value create_store(const Napi::CallbackInfo& info) {
  const StoreSettings settings = {int_arg(info, 0), algorithm_arg(info, 1), bool_arg(info, 2),
                                  bool_arg(info, 3), bool_arg(info, 4)};
  return make_handle(info.Env(), std::make_shared<ObjectStore>(settings), kStoreTag);
}

Napi::Value store_files(const Napi::CallbackInfo& info) {
  auto store = handle_arg<ObjectStore>(info, 0, kStoreTag);
  auto items = items_arg(info, 2, true);
  const auto cancel = array_arg<Napi::Int32Array>(info, 7);
  if (cancel.ElementLength() == 0) throw Napi::TypeError::New(info.Env(), "empty cancel flag");
  return (new StoreFiles(info.Env(), std::move(store), fds_arg(info, 1), std::move(items), cancel))->start(info.Env());
}

Napi::Value store_buffers(const Napi::CallbackInfo& info) {
  auto store = handle_arg<ObjectStore>(info, 0, kStoreTag);
  auto* batch = new StoreBuffers(info.Env(), std::move(store), byte_spans(info.Env(), info[1]));
  batch->keep(info[1]);
  return batch->start(info.Env());
}

Napi::Value probe_store(const Napi::CallbackInfo& info) {
  auto store = handle_arg<ObjectStore>(info, 0, kStoreTag);
  const int fd = int_arg(info, 1);
  return Napi::Number::New(info.Env(), bool_arg(info, 2) ? store->probe_hardlink(fd) : store->probe_reflink(fd));
}

Napi::Value read_files(const Napi::CallbackInfo& info) {
  auto items = items_arg(info, 1, false);
  const uint64_t limit = integer_arg(info, 4, 0, kMaxSafeInteger);
  return (new ReadFiles(info.Env(), fds_arg(info, 0), std::move(items), limit))->start(info.Env());
}

Napi::Value create_writer(const Napi::CallbackInfo& info) {
  auto writer = std::make_shared<Writer>(handle_arg<ObjectStore>(info, 0, kStoreTag));
  const int error = writer->staging.open(writer->store->settings().objects_fd);
  if (error < 0) return Napi::Number::New(info.Env(), error);
  return make_handle(info.Env(), std::move(writer), kWriterTag);
}

Napi::Value write_writer(const Napi::CallbackInfo& info) {
  auto writer = handle_arg<Writer>(info, 0, kWriterTag);
  auto* batch = new WriteChunks(info.Env(), std::move(writer), byte_spans(info.Env(), info[1]));
  batch->keep(info[1]);
  return batch->start(info.Env());
}

Napi::Value finish_writer(const Napi::CallbackInfo& info) {
  return (new FinishWriter(info.Env(), handle_arg<Writer>(info, 0, kWriterTag)))->start(info.Env());
}

void abort_writer(const Napi::CallbackInfo& info) {
  const auto writer = handle_arg<Writer>(info, 0, kWriterTag);
  std::lock_guard<std::mutex> hold(writer->mutex);
  writer->staging.discard();
}

void set_threads(const Napi::CallbackInfo& info) { Pool::instance().set_threads(integer_arg(info, 0, 1, kMostThreads)); }

}  // namespace

void init_store(Napi::Env env, Napi::Object exports) {
  exports["createStore"] = Napi::Function::New(env, create_store);
  exports["storeFiles"] = Napi::Function::New(env, store_files);
  exports["storeBuffers"] = Napi::Function::New(env, store_buffers);
  exports["probeStore"] = Napi::Function::New(env, probe_store);
  exports["readFiles"] = Napi::Function::New(env, read_files);
  exports["createWriter"] = Napi::Function::New(env, create_writer);
  exports["writeWriter"] = Napi::Function::New(env, write_writer);
  exports["finishWriter"] = Napi::Function::New(env, finish_writer);
  exports["abortWriter"] = Napi::Function::New(env, abort_writer);
  exports["setThreads"] = Napi::Function::New(env, set_threads);
}

}  // namespace reflink
