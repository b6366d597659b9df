#include "napi_util.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new reflink::EnvBatches(env));
  reflink::init_files(env, exports);
  reflink::init_verity(env, exports);
  reflink::init_store(env, exports);
  reflink::init_store_files(env, exports);
  reflink::init_object_sizes(env, exports);
  reflink::init_object_listing(env, exports);
  reflink::init_object_check(env, exports);
  reflink::init_scan(env, exports);
  reflink::init_mount(env, exports);
  reflink::init_inflater(env, exports);
  reflink::init_digester(env, exports);
  reflink::init_fd_passing(env, exports);
  reflink::init_open_files(env, exports);
  return exports;
}

NODE_API_MODULE(reflink, init)
