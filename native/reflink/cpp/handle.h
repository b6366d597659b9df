// Native objects in the hands of JavaScript.
#pragma once

#include <memory>
#include <utility>

#include "napi_util.h"

namespace reflink {

constexpr napi_type_tag kStoreTag = {0x636f6d706f736566, 0x73746f7265000001};

// A handle is a tagged External that owns a shared pointer: a running batch keeps the object alive on its own.
template <class T>
Napi::Value make_handle(Napi::Env env, std::shared_ptr<T> object, const napi_type_tag& tag) {
  auto handle = Napi::External<std::shared_ptr<T>>::New(
      env, new std::shared_ptr<T>(std::move(object)), [](Napi::Env, std::shared_ptr<T>* owned) { delete owned; });
  handle.TypeTag(&tag);
  return handle;
}

template <class T>
std::shared_ptr<T> handle_arg(const Napi::CallbackInfo& info, size_t i, const napi_type_tag& tag) {
  if (!info[i].IsExternal() || !info[i].As<Napi::External<std::shared_ptr<T>>>().CheckTypeTag(&tag)) {
    throw Napi::TypeError::New(info.Env(), "not a handle of this addon");
  }
  return *info[i].As<Napi::External<std::shared_ptr<T>>>().Data();
}

}  // namespace reflink
