// The mount interface of fsopen(2) and its relatives, and loop devices: one call each. Calls that read a disk run on
// the native threads.
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "napi_util.h"

namespace reflink {
namespace {

// <linux/mount.h> and <linux/loop.h> of the oldest system we build on lack these.
constexpr long kSysMoveMount = 429, kSysFsopen = 430, kSysFsconfig = 431, kSysFsmount = 432, kSysMountSetattr = 442;
constexpr unsigned kFsopenCloexec = 1, kFsmountCloexec = 1;
constexpr unsigned kSetFlag = 0, kSetString = 1, kSetFd = 5, kCreate = 6;
constexpr unsigned kMoveFromEmptyPath = 0x04, kMoveToEmptyPath = 0x40;
struct MountAttr {
  uint64_t set, clear, propagation, userns_fd;
};
constexpr unsigned long kLoopControlGetFree = 0x4C82, kLoopConfigure = 0x4C0A;
struct LoopInfo64 {
  uint64_t device, inode, rdevice, offset, sizelimit;
  uint32_t number, encrypt_type, encrypt_key_size, flags;
  uint8_t file_name[64], crypt_name[64], encrypt_key[32];
  uint64_t init[2];
};
struct LoopConfig {
  uint32_t fd, block_size;
  LoopInfo64 info;
  uint64_t reserved[8];
};
constexpr uint32_t kLoopReadOnly = 1, kLoopAutoclear = 4, kLoopDirectIo = 16;
constexpr int kLoopTries = 64;
constexpr size_t kLogBytes = 8192;

int result_of(long value) { return value < 0 ? -errno : static_cast<int>(value); }

Napi::Value number(const Napi::CallbackInfo& info, long value) {
  return Napi::Number::New(info.Env(), static_cast<double>(result_of(value)));
}

template <class Call>
Napi::Value on_pool(const Napi::CallbackInfo& info, Call call) {
  return (new SingleCall<Call>(info.Env(), std::move(call)))->start(info.Env());
}

Napi::Value fs_open(const Napi::CallbackInfo& info) {
  return number(info, syscall(kSysFsopen, path_arg(info, 0).c_str(), kFsopenCloexec));
}

Napi::Value fs_set_flag(const Napi::CallbackInfo& info) {
  return number(info, syscall(kSysFsconfig, int_arg(info, 0), kSetFlag, path_arg(info, 1).c_str(), nullptr, 0));
}

Napi::Value fs_set_string(const Napi::CallbackInfo& info) {
  return number(info, syscall(kSysFsconfig, int_arg(info, 0), kSetString, path_arg(info, 1).c_str(),
                              path_arg(info, 2).c_str(), 0));
}

Napi::Value fs_set_fd(const Napi::CallbackInfo& info) {
  return number(info,
                syscall(kSysFsconfig, int_arg(info, 0), kSetFd, path_arg(info, 1).c_str(), nullptr, int_arg(info, 2)));
}

Napi::Value fs_create(const Napi::CallbackInfo& info) {
  return on_pool(info, [fd = int_arg(info, 0)] {
    return result_of(syscall(kSysFsconfig, fd, kCreate, nullptr, nullptr, 0));
  });
}

// The next message of the context, or ENODATA.
Napi::Value fs_read_log(const Napi::CallbackInfo& info) {
  char text[kLogBytes];
  const ssize_t n = read(int_arg(info, 0), text, sizeof text);
  if (n < 0) return Napi::Number::New(info.Env(), -errno);
  return copy_buffer(info.Env(), reinterpret_cast<const uint8_t*>(text), static_cast<size_t>(n));
}

Napi::Value fs_mount(const Napi::CallbackInfo& info) {
  return number(info, syscall(kSysFsmount, int_arg(info, 0), kFsmountCloexec, int_arg(info, 1)));
}

Napi::Value move_mount(const Napi::CallbackInfo& info) {
  return number(info, syscall(kSysMoveMount, int_arg(info, 0), "", int_arg(info, 1), "",
                              kMoveFromEmptyPath | kMoveToEmptyPath));
}

Napi::Value mount_setattr(const Napi::CallbackInfo& info) {
  MountAttr attr = {};
  attr.set = integer_arg(info, 1, 0, UINT32_MAX);
  attr.userns_fd = static_cast<uint64_t>(int_arg(info, 2));
  return number(info, syscall(kSysMountSetattr, int_arg(info, 0), "", AT_EMPTY_PATH, &attr, sizeof attr));
}

Napi::Value unmount(const Napi::CallbackInfo& info) {
  return on_pool(info, [path = path_arg(info, 0), flags = int_arg(info, 1)] {
    return result_of(umount2(path.c_str(), flags));
  });
}

// A read-only loop device over `image` that goes away with its last user. Another process may take the free one first.
int open_loop_device(int image) {
  const Fd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control.valid()) return -errno;
  uint32_t flags = kLoopReadOnly | kLoopAutoclear | kLoopDirectIo;
  for (int i = 0;; i++) {
    const int index = result_of(ioctl(control.get(), kLoopControlGetFree));
    if (index < 0) return index;
    char path[32];
    snprintf(path, sizeof path, "/dev/loop%d", index);
    Fd device(open(path, O_RDONLY | O_CLOEXEC));
    if (!device.valid()) return -errno;
    LoopConfig config = {};
    config.fd = static_cast<uint32_t>(image);
    config.block_size = 4096;
    config.info.flags = flags;
    const int result = result_of(ioctl(device.get(), kLoopConfigure, &config));
    if (result >= 0) return device.release();
    if (result == -EINVAL && (flags & kLoopDirectIo)) {
      flags &= ~kLoopDirectIo;  // not every file system has direct I/O
    } else if (result != -EBUSY || i == kLoopTries) {
      return result;
    }
  }
}

Napi::Value open_loop(const Napi::CallbackInfo& info) {
  return on_pool(info, [image = int_arg(info, 0)] { return open_loop_device(image); });
}

}  // namespace

void init_mount(Napi::Env env, Napi::Object exports) {
  exports["fsopen"] = Napi::Function::New(env, fs_open);
  exports["fsconfigFlag"] = Napi::Function::New(env, fs_set_flag);
  exports["fsconfigString"] = Napi::Function::New(env, fs_set_string);
  exports["fsconfigFd"] = Napi::Function::New(env, fs_set_fd);
  exports["fsconfigCreate"] = Napi::Function::New(env, fs_create);
  exports["fsReadLog"] = Napi::Function::New(env, fs_read_log);
  exports["fsmount"] = Napi::Function::New(env, fs_mount);
  exports["moveMount"] = Napi::Function::New(env, move_mount);
  exports["mountSetattr"] = Napi::Function::New(env, mount_setattr);
  exports["unmount"] = Napi::Function::New(env, unmount);
  exports["openLoop"] = Napi::Function::New(env, open_loop);
}

}  // namespace reflink
