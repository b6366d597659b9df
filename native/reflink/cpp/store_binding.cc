// Object stores: buffers in batches, objects whose bytes arrive in pieces, trials.
#include <errno.h>

#include <mutex>

#include "content_group.h"
#include "handle.h"
#include "object_store.h"
#include "store_columns.h"

namespace reflink {
namespace {

constexpr int kMostThreads = 1024;
constexpr napi_type_tag kWriterTag = {0x636f6d706f736566, 0x7772697465720001};

using Spans = std::vector<ObjectStore::Span>;

// Where runs of contents begin that one thread stores: enough to be hashed together, few enough to keep all threads busy.
std::vector<size_t> runs_of(const Spans& contents) {
  constexpr size_t kRunBytes = 256 * 1024;
  std::vector<size_t> starts;
  size_t bytes = kRunBytes;
  for (size_t i = 0; i < contents.size(); i++) {
    if (bytes >= kRunBytes || i - starts.back() == ContentGroup::kMaxFiles) starts.push_back(i), bytes = 0;
    bytes += contents[i].second;
  }
  return starts;
}

// Stretches of `memories` as columns of three numbers give them: which one, first byte, bytes.
Spans spans_within(Napi::Env env, const Spans& memories, const Napi::Float64Array& places) {
  Spans contents;
  contents.reserve(places.ElementLength() / 3);
  for (size_t i = 0; i + 2 < places.ElementLength(); i += 3) {
    const double memory = places[i], start = places[i + 1], length = places[i + 2];
    const bool known = memory >= 0 && memory < static_cast<double>(memories.size());
    const double end = known ? static_cast<double>(memories[static_cast<size_t>(memory)].second) : 0;
    if (!known || !(start >= 0 && length >= 0 && start + length <= end)) {
      throw Napi::RangeError::New(env, "stretch outside of its memory");
    }
    contents.push_back({memories[static_cast<size_t>(memory)].first + static_cast<size_t>(start), static_cast<size_t>(length)});
  }
  return contents;
}

class StoreBuffers : public RowBatch {
 public:
  StoreBuffers(Napi::Env env, std::shared_ptr<ObjectStore> store, Spans contents, std::vector<size_t> runs)
      : RowBatch(env, runs.size(), contents.size(), digest_bytes(store->settings().algorithm)),
        store_(std::move(store)),
        contents_(std::move(contents)),
        runs_(std::move(runs)) {}

  void run(size_t run) override {
    const size_t first = runs_[run];
    const size_t end = run + 1 < runs_.size() ? runs_[run + 1] : contents_.size();
    try {
      store_->store_buffers(contents_.data() + first, end - first, rows_.data() + first);
    } catch (const std::bad_alloc&) {
      for (size_t i = first; i < end; i++) rows_[i].fail(Outcome::kFailedWrite, -ENOMEM);
    }
  }

 private:
  const std::shared_ptr<ObjectStore> store_;
  const Spans contents_;
  const std::vector<size_t> runs_;
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
      writer_->error = writer_->store->write(writer_->staging, data, length);
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

Napi::Value store_buffers(const Napi::CallbackInfo& info) {
  auto store = handle_arg<ObjectStore>(info, 0, kStoreTag);
  Spans contents = spans_within(info.Env(), byte_spans(info.Env(), info[1]), array_arg<Napi::Float64Array>(info, 2));
  std::vector<size_t> runs = runs_of(contents);
  auto* batch = new StoreBuffers(info.Env(), std::move(store), std::move(contents), std::move(runs));
  batch->keep(info[1]);
  return batch->start(info.Env());
}

void begin_writeback(const Napi::CallbackInfo& info) { handle_arg<ObjectStore>(info, 0, kStoreTag)->begin_writeback(); }

Napi::Value probe_store(const Napi::CallbackInfo& info) {
  auto store = handle_arg<ObjectStore>(info, 0, kStoreTag);
  const int fd = int_arg(info, 1);
  return Napi::Number::New(info.Env(), bool_arg(info, 2) ? store->probe_hardlink(fd) : store->probe_reflink(fd));
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
  exports["storeBuffers"] = Napi::Function::New(env, store_buffers);
  exports["beginWriteback"] = Napi::Function::New(env, begin_writeback);
  exports["probeStore"] = Napi::Function::New(env, probe_store);
  exports["createWriter"] = Napi::Function::New(env, create_writer);
  exports["writeWriter"] = Napi::Function::New(env, write_writer);
  exports["finishWriter"] = Napi::Function::New(env, finish_writer);
  exports["abortWriter"] = Napi::Function::New(env, abort_writer);
  exports["setThreads"] = Napi::Function::New(env, set_threads);
}

}  // namespace reflink
