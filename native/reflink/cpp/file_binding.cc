// Single system calls: openat2, locks, unnamed files, syncfs.
#include <errno.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "crc64.h"
#include "kernel.h"
#include "napi_util.h"

namespace reflink {
namespace {

Napi::Value number(const Napi::CallbackInfo& info, double value) { return Napi::Number::New(info.Env(), value); }

Napi::Value openat2(const Napi::CallbackInfo& info) {
  const std::string path = path_arg(info, 1);
  const uint64_t flags = integer_arg(info, 2, 0, UINT32_MAX);
  const uint64_t mode = integer_arg(info, 3, 0, 07777);
  const uint64_t resolve = integer_arg(info, 4, 0, UINT32_MAX);
  return number(info, open_at2(int_arg(info, 0), path.c_str(), flags, mode, resolve));
}

void set_available(const Napi::CallbackInfo& info) { set_openat2_available(bool_arg(info, 0)); }

void set_tmpfile(const Napi::CallbackInfo& info) { set_tmpfile_available(bool_arg(info, 0)); }

Napi::Value lock_ofd(const Napi::CallbackInfo& info) {
  constexpr short kTypes[] = {F_RDLCK, F_WRLCK, F_UNLCK};
  return number(info, ofd_lock(int_arg(info, 0), kTypes[integer_arg(info, 1, 0, 2)]));
}

Napi::Value lock_flock(const Napi::CallbackInfo& info) {
  return number(info, flock(int_arg(info, 0), int_arg(info, 1) | LOCK_NB) < 0 ? -errno : 0);
}

Napi::Value tmpfile_at(const Napi::CallbackInfo& info) {
  return number(info, open_tmpfile(int_arg(info, 0), ".", static_cast<mode_t>(integer_arg(info, 1, 0, 07777))));
}

Napi::Value link_at(const Napi::CallbackInfo& info) {
  return number(info, link_fd(int_arg(info, 0), int_arg(info, 1), path_arg(info, 2).c_str()));
}

Napi::Value sync_fs(const Napi::CallbackInfo& info) {
  auto call = [fd = int_arg(info, 0)] { return ::syncfs(fd) < 0 ? -errno : 0; };
  return (new SingleCall<decltype(call)>(info.Env(), call))->start(info.Env());
}

Napi::Value statfs_type(const Napi::CallbackInfo& info) {
  struct statfs st;
  return number(info, fstatfs(int_arg(info, 0), &st) < 0 ? -errno : static_cast<double>(st.f_type));
}

Napi::Value checksum(const Napi::CallbackInfo& info) {
  const auto data = array_arg<Napi::Uint8Array>(info, 0);
  Crc64 crc;
  crc.update(data.Data(), data.ByteLength());
  const uint64_t value = __builtin_bswap64(crc.value());
  return copy_buffer(info.Env(), reinterpret_cast<const uint8_t*>(&value), sizeof value);
}

}  // namespace

void init_files(Napi::Env env, Napi::Object exports) {
  exports["openat2"] = Napi::Function::New(env, openat2);
  exports["setOpenat2Available"] = Napi::Function::New(env, set_available);
  exports["setTmpfileAvailable"] = Napi::Function::New(env, set_tmpfile);
  exports["ofdLock"] = Napi::Function::New(env, lock_ofd);
  exports["flock"] = Napi::Function::New(env, lock_flock);
  exports["openTmpfile"] = Napi::Function::New(env, tmpfile_at);
  exports["linkFd"] = Napi::Function::New(env, link_at);
  exports["syncfs"] = Napi::Function::New(env, sync_fs);
  exports["statfsType"] = Napi::Function::New(env, statfs_type);
  exports["crc64"] = Napi::Function::New(env, checksum);
}

}  // namespace reflink
