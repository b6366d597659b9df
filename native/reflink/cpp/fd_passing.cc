// Sockets that carry file descriptors (SCM_RIGHTS). Nothing here waits: a call that would answers EAGAIN.
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <vector>

#include "kernel.h"
#include "napi_util.h"

namespace reflink {
namespace {

constexpr size_t kMostFds = 253;  // SCM_MAX_FD of the kernel
constexpr double kMostBytes = 65536;

Napi::Value number(const Napi::CallbackInfo& info, double value) { return Napi::Number::New(info.Env(), value); }

Napi::Value socket_pair(const Napi::CallbackInfo& info) {
  const int type = bool_arg(info, 0) ? SOCK_SEQPACKET : SOCK_STREAM;
  int ends[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) return number(info, -errno);
  auto result = Napi::Int32Array::New(info.Env(), 2);
  result[0] = ends[0], result[1] = ends[1];
  return result;
}

Napi::Value send_fds(const Napi::CallbackInfo& info) {
  const int socket = int_arg(info, 0);
  const auto data = array_arg<Napi::Uint8Array>(info, 1);
  const auto fds = array_arg<Napi::Int32Array>(info, 2);
  if (data.ByteLength() == 0 || fds.ElementLength() == 0) throw Napi::TypeError::New(info.Env(), "nothing to send");
  const size_t bytes = fds.ElementLength() * sizeof(int);
  std::vector<uint8_t> control(CMSG_SPACE(bytes));
  iovec part = {const_cast<uint8_t*>(data.Data()), data.ByteLength()};
  msghdr message = {};
  message.msg_iov = &part, message.msg_iovlen = 1;
  message.msg_control = control.data(), message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(bytes);
  memcpy(CMSG_DATA(header), fds.Data(), bytes);
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return number(info, sent < 0 ? -errno : static_cast<double>(sent));
}

// One message: its bytes and descriptors, or a negative errno. What the kernel had to cut, for want of room or of free
// descriptors, is reported as such, and none of its descriptors stays open.
Napi::Value receive_fds(const Napi::CallbackInfo& info) {
  const int socket = int_arg(info, 0);
  std::vector<uint8_t> data(integer_arg(info, 1, 1, kMostBytes));
  std::vector<uint8_t> control(CMSG_SPACE(kMostFds * sizeof(int)));
  iovec part = {data.data(), data.size()};
  msghdr message = {};
  message.msg_iov = &part, message.msg_iovlen = 1;
  message.msg_control = control.data(), message.msg_controllen = control.size();
  ssize_t received;
  do {
    received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return number(info, -errno);
  std::vector<Fd> fds;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  const bool truncated = (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
  if (truncated) fds.clear();
  auto list = Napi::Int32Array::New(info.Env(), fds.size());
  auto result = Napi::Object::New(info.Env());
  result["data"] = copy_buffer(info.Env(), data.data(), static_cast<size_t>(received));
  result["fds"] = list;
  result["truncated"] = Napi::Boolean::New(info.Env(), truncated);
  for (size_t i = 0; i < fds.size(); i++) list[i] = fds[i].release();
  return result;
}

}  // namespace

void init_fd_passing(Napi::Env env, Napi::Object exports) {
  exports["socketPair"] = Napi::Function::New(env, socket_pair);
  exports["sendFds"] = Napi::Function::New(env, send_fds);
  exports["receiveFds"] = Napi::Function::New(env, receive_fds);
}

}  // namespace reflink
