// zlib and libcrypto as the Node.js process has them, linked into it or as shared libraries: Node.js exports their
// functions, so that no second copy need be shipped. Declared here, weakly, because the headers may be missing, and the
// functions in a build of Node.js that hides them.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// struct z_stream_s of zlib.h, unchanged since zlib 1.0.
struct ProcessZStream {
  const uint8_t* next_in;
  unsigned avail_in;
  unsigned long total_in;
  uint8_t* next_out;
  unsigned avail_out;
  unsigned long total_out;
  const char* msg;
  void* state;
  void* zalloc;
  void* zfree;
  void* opaque;
  int data_type;
  unsigned long adler;
  unsigned long reserved;
};

__attribute__((weak)) const char* zlibVersion();
__attribute__((weak)) int inflateInit2_(ProcessZStream* stream, int window_bits, const char* version, int stream_size);
__attribute__((weak)) int inflate(ProcessZStream* stream, int flush);
__attribute__((weak)) int inflateReset(ProcessZStream* stream);
__attribute__((weak)) int inflateEnd(ProcessZStream* stream);

struct evp_md_st;
struct evp_md_ctx_st;
struct engine_st;

__attribute__((weak)) const evp_md_st* EVP_sha256();
__attribute__((weak)) const evp_md_st* EVP_sha384();
__attribute__((weak)) const evp_md_st* EVP_sha512();
__attribute__((weak)) evp_md_ctx_st* EVP_MD_CTX_new();
__attribute__((weak)) void EVP_MD_CTX_free(evp_md_ctx_st* context);
__attribute__((weak)) int EVP_DigestInit_ex(evp_md_ctx_st* context, const evp_md_st* type, engine_st* engine);
__attribute__((weak)) int EVP_DigestUpdate(evp_md_ctx_st* context, const void* data, size_t length);
__attribute__((weak)) int EVP_DigestFinal_ex(evp_md_ctx_st* context, unsigned char* digest, unsigned* size);

}  // extern "C"
