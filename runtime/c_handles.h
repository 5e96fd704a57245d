// What the C interface (include/hasten.h) is made of: the handles behind the opaque
// types, the guard that turns statuses and exceptions into error handles, and the
// copying of option structs of other versions. The files c_api_*.cc are the only
// ones with C linkage and the only ones that include this: every body of theirs
// catches everything, checks its pointers and runs in the canonical floating-point
// environment. No logic of its own.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/fp_env.h"
#include "runtime/engine/context.h"
#include "runtime/engine/model.h"
#include "runtime/engine/text_stream.h"
#include "runtime/include/hasten.h"

struct hst_error {
  hst_status status;
  std::string message;
};

struct hst_model {
  std::shared_ptr<const hasten::Model> model;
  std::string source_digest, calibration_digest, device;
  hst_log_fn log = nullptr;
  void* log_user = nullptr;
};

struct hst_context {
  std::shared_ptr<const hasten::Model> model;
  std::unique_ptr<hasten::Context> context;
  std::vector<hasten::EvalItem> items;
  std::vector<hasten::SampleRequest> samples;
  std::vector<std::byte> sample_work;
  std::atomic<bool> cancel{false};
  std::atomic<bool> busy{false};
};

struct hst_stream {
  std::shared_ptr<const hasten::Model> model;  // keeps the tokenizer
  hasten::TextStream stream;
  std::string text;
};

struct hst_tokens {
  std::vector<int32_t> ids;
};

struct hst_text {
  std::string text;
};

namespace hasten::c_api {

// What can be said without memory.
inline const hst_error* NoMemory() {
  static const hst_error error{HST_RESOURCE, "out of memory"};
  return &error;
}

inline hst_status Fail(hst_error** error, Code code, const std::string& message) noexcept {
  const hst_status status = static_cast<hst_status>(code);
  if (!error) return status;
  try {
    *error = new hst_error{status, message};
  } catch (...) {
    *error = const_cast<hst_error*>(NoMemory());
  }
  return status;
}

inline hst_status FailNoMemory(hst_error** error) noexcept {
  if (error) *error = const_cast<hst_error*>(NoMemory());
  return HST_RESOURCE;
}

// Runs body() -> Status.
template <class F>
hst_status Guard(hst_error** error, const F& body) noexcept {
  if (error) *error = nullptr;
  try {
    const ScopedFpEnv fp;
    const Status status = body();
    return status.ok() ? HST_OK : Fail(error, status.code(), status.message());
  } catch (const std::bad_alloc&) {
    return FailNoMemory(error);
  } catch (const std::length_error&) {  // a container asked for more than can exist
    return FailNoMemory(error);
  } catch (const std::exception& e) {
    return Fail(error, Code::kInternal, e.what());
  } catch (...) {
    return Fail(error, Code::kInternal, "an unknown exception");
  }
}

// As Guard, for calls that need a context for themselves.
template <class F>
hst_status GuardContext(hst_context* context, hst_error** error, const F& body) noexcept {
  return Guard(error, [&]() -> Status {
    if (!context) return UsageError("context is NULL");
    if (context->busy.exchange(true, std::memory_order_acquire))
      return UsageError("another thread is using this context; a context serves one call at a time");
    struct Release {
      std::atomic<bool>& busy;
      ~Release() { busy.store(false, std::memory_order_release); }
    } release{context->busy};
    return body(*context->context);
  });
}

#define HST_NOT_NULL(pointer) \
  if (!(pointer)) return UsageError(#pointer " is NULL")

// Copies an option struct of any version: absent fields keep `defaults`, fields
// of a newer header must be zero.
template <class T>
Result<T> ReadOptions(const T* options, const T& defaults) {
  if (!options) return defaults;
  if (options->struct_size < sizeof options->struct_size) return UsageError("struct_size is ", options->struct_size, "; use the HST_..._INIT macro");
  const auto* bytes = reinterpret_cast<const unsigned char*>(options);
  for (uint32_t i = sizeof(T); i < options->struct_size; ++i)
    if (bytes[i] != 0) return UsageError("an option struct of a newer hasten.h uses fields that this library does not know");
  T out = defaults;
  std::memcpy(&out, options, std::min<size_t>(options->struct_size, sizeof(T)));
  return out;
}

// Fills as much of the caller's struct as it has room for.
template <class T>
Status WriteInfo(T* to, T from) {
  if (!to) return UsageError("info is NULL");
  if (to->struct_size < sizeof to->struct_size) return UsageError("struct_size is ", to->struct_size, "; use the HST_..._INIT macro");
  from.struct_size = to->struct_size;
  std::memcpy(to, &from, std::min<size_t>(to->struct_size, sizeof(T)));
  return {};
}

inline void Log(const hst_model& model, const std::string& message) {
  if (model.log) model.log(model.log_user, message.data(), message.size());
}

inline Result<std::string_view> View(const char* what, const char* data, size_t size) {
  if (!data && size > 0) return UsageError(what, " is NULL with size ", size);
  return std::string_view(data ? data : "", size);
}

}  // namespace hasten::c_api
