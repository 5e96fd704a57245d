// The C interface, models and what they say of themselves; errors and versions.
#include <charconv>
#include <memory>
#include <string>

#include "runtime/base/sha256.h"
#include "runtime/c_handles.h"
#include "runtime/engine/cost.h"
#include "runtime/engine/tokenizer/tokenizer.h"
#include "runtime/format/model_info_generated.h"

#ifndef HASTEN_VERSION
#error "the build defines HASTEN_VERSION"
#endif

namespace {

using hasten::Result;
using hasten::Status;
using hasten::UsageError;
using namespace hasten::c_api;  // NOLINT: what this file is made of

const char* OrEmpty(const flatbuffers::String* s) { return s ? s->c_str() : ""; }

std::string HexOf(const flatbuffers::Vector<uint8_t>* digest) {
  return digest ? hasten::HexDigest({digest->data(), digest->size()}) : std::string();
}

Result<std::string_view> StringOf(const hst_model& m, uint32_t which) {
  const hasten::fb::Provenance* p = m.model->info().provenance();
  switch (which) {
    case HST_STRING_PATH: return std::string_view(m.model->file().path());
    case HST_STRING_ISA: return hasten::IsaName(m.model->isa());
    case HST_STRING_ARCHITECTURE: return std::string_view(p ? OrEmpty(p->architecture()) : "");
    case HST_STRING_TOOL_VERSION: return std::string_view(p ? OrEmpty(p->tool_version()) : "");
    case HST_STRING_RECIPE: return std::string_view(p ? OrEmpty(p->recipe()) : "");
    case HST_STRING_SOURCE_DIGEST: return std::string_view(m.source_digest);
    case HST_STRING_CALIBRATION_DIGEST: return std::string_view(m.calibration_digest);
    case HST_STRING_LICENCE: return std::string_view(p ? OrEmpty(p->licence()) : "");
    case HST_STRING_CARD: return std::string_view(OrEmpty(m.model->info().card()));
    case HST_STRING_DEVICE: return std::string_view(m.device);
    default: return UsageError("string ", which, " is not known");
  }
}

uint64_t Nanoseconds(double seconds) { return static_cast<uint64_t>(seconds * 1e9); }

// "cuda" and "cuda:N"; -1 for what is neither.
int CudaOrdinal(std::string_view device) {
  if (device == "cuda" || device == "auto") return 0;
  int ordinal = -1;
  if (!device.starts_with("cuda:")) return -1;
  const char *begin = device.data() + 5, *end = device.data() + device.size();
  const auto [at, error] = std::from_chars(begin, end, ordinal);
  return error == std::errc() && at == end && begin != end ? ordinal : -1;
}

// Null: the CPU.
Result<std::shared_ptr<hasten::Device>> DeviceOf(const hst_model_options& o, const hst_model& m) {
  const std::string_view name = o.device ? o.device : "cpu";
  if (name == "cpu") return std::shared_ptr<hasten::Device>();
  const int ordinal = CudaOrdinal(name);
  if (ordinal < 0) return UsageError("device \"", name, "\" is not known; cpu, cuda, cuda:N and auto are");
  Result<std::shared_ptr<hasten::Device>> opened = hasten::OpenCudaDevice(ordinal, o.device_memory);
  if (opened.ok() || name != "auto") return opened;
  Log(m, hasten::StrCat(opened.status().message(), "; running on the CPU"));
  return std::shared_ptr<hasten::Device>();
}

}  // namespace

extern "C" {

uint32_t hst_abi_version(void) { return HST_ABI_VERSION; }
const char* hst_version(void) { return HASTEN_VERSION; }

hst_status hst_error_status(const hst_error* error) { return error ? error->status : HST_OK; }
const char* hst_error_message(const hst_error* error) { return error ? error->message.c_str() : ""; }
void hst_error_free(hst_error* error) {
  if (error != NoMemory()) delete error;
}

hst_status hst_model_open(const char* path, const hst_model_options* options, hst_model** model, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(path);
    HST_NOT_NULL(model);
    *model = nullptr;
    HST_ASSIGN_OR_RETURN(const hst_model_options o, ReadOptions<hst_model_options>(options, HST_MODEL_OPTIONS_INIT));
    hasten::ModelOptions mo;
    mo.verify_digests = o.verify != 0;
    mo.huge_pages = o.small_pages == 0;
    if (o.isa) {
      HST_ASSIGN_OR_RETURN(mo.isa, hasten::ParseIsa(o.isa));
    }
    auto handle = std::make_unique<hst_model>();
    handle->log = o.log;
    handle->log_user = o.log_user;
    HST_ASSIGN_OR_RETURN(mo.device, DeviceOf(o, *handle));
    HST_ASSIGN_OR_RETURN(handle->model, hasten::Model::Open(path, mo));
    handle->device = mo.device ? mo.device->Info().name : "cpu";
    if (const hasten::fb::Provenance* p = handle->model->info().provenance()) {
      handle->source_digest = HexOf(p->source_digest());
      handle->calibration_digest = HexOf(p->calibration_digest());
    }
    const hasten::DeviceModel* there = handle->model->on_device();
    Log(*handle, hasten::StrCat("opened ", path, ": ", handle->model->instructions().size(), " instructions, kernels for ",
                                there ? std::string_view(handle->device) : hasten::IsaName(handle->model->isa())));
    if (o.verify) Log(*handle, hasten::StrCat("compared digests in ", static_cast<int64_t>(handle->model->verify_seconds() * 1e3), " ms"));
    if (there)
      Log(*handle, hasten::StrCat("copied ", there->weights().size() / 1000000, " MB of weights to the device in ",
                                  static_cast<int64_t>(there->upload_seconds() * 1e3), " ms"));
    *model = handle.release();
    return {};
  });
}

void hst_model_free(hst_model* model) { delete model; }

hst_status hst_model_verify(const hst_model* model, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    return model->model->file().VerifyDigests();
  });
}

hst_status hst_model_get_info(const hst_model* model, hst_model_info* info, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    const hasten::Model& m = *model->model;
    const hasten::DeviceRoom room = m.on_device() ? m.on_device()->device().Room() : hasten::DeviceRoom();
    const bool has_tokenizer = m.file().Find(hasten::SectionKind::kTokenizer) != nullptr;
    bool has_chat = false;
    if (has_tokenizer) {
      HST_ASSIGN_OR_RETURN(const hasten::Tokenizer* t, m.tokenizer());
      has_chat = !t->chat().templates.empty();
    }
    return WriteInfo(info, {0, static_cast<uint32_t>(m.vocab()), m.max_positions(), static_cast<uint32_t>(m.layers().size()),
                            m.program().outputs()->size(), static_cast<uint32_t>(m.instructions().size()), m.program().token_types(),
                            m.causal(), static_cast<uint32_t>(m.kv_type()), has_tokenizer, has_chat, m.file().file_bytes(),
                            Nanoseconds(m.on_device() ? m.on_device()->upload_seconds() : 0), Nanoseconds(m.verify_seconds()), room.used, room.left()});
  });
}

hst_status hst_model_get_string(const hst_model* model, uint32_t which, const char** data, size_t* size, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    HST_NOT_NULL(data);
    HST_NOT_NULL(size);
    HST_ASSIGN_OR_RETURN(const std::string_view s, StringOf(*model, which));
    *data = s.data();
    *size = s.size();
    return {};
  });
}

hst_status hst_model_get_generation(const hst_model* model, hst_generation* generation, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    hst_generation out{0, 0, nullptr, 0, -1, -1, 1.0f, 1.0f, 0.0f, 1.0f, 0, 0};
    if (const hasten::fb::Generation* g = model->model->info().generation())
      out = {0, g->do_sample(), g->eos_ids() ? g->eos_ids()->data() : nullptr, g->eos_ids() ? g->eos_ids()->size() : 0, g->bos_id(),
             g->pad_id(), g->temperature(), g->top_p(), g->min_p(), g->repetition_penalty(), g->top_k(), g->max_length()};
    return WriteInfo(generation, out);
  });
}

hst_status hst_model_get_layer(const hst_model* model, uint32_t layer, hst_layer_info* info, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    const auto* layers = model->model->program().layers();
    if (layer >= model->model->layers().size()) return UsageError("layer ", layer, " of ", model->model->layers().size());
    const hasten::fb::Layer& l = *layers->Get(layer);
    return WriteInfo(info, {0, l.heads(), l.kv_heads(), l.head_dim(), l.v_head_dim(), l.causal(), static_cast<int64_t>(l.window()),
                            OrEmpty(l.past_k()), OrEmpty(l.past_v()), OrEmpty(l.present_k()), OrEmpty(l.present_v())});
  });
}

hst_status hst_model_get_output(const hst_model* model, uint32_t output, hst_output_info* info, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    const auto& outputs = *model->model->program().outputs();
    if (output >= outputs.size()) return UsageError("output ", output, " of ", outputs.size());
    const hasten::fb::Output& o = *outputs.Get(output);
    return WriteInfo(info, {0, static_cast<uint32_t>(o.kind()), OrEmpty(o.name()), o.view()->cols(), o.row()});
  });
}

hst_status hst_model_get_instruction(const hst_model* model, uint32_t instruction, hst_instruction_info* info, hst_error** error) {
  return Guard(error, [&]() -> Status {
    HST_NOT_NULL(model);
    const auto bound = model->model->instructions();
    if (instruction >= bound.size()) return UsageError("instruction ", instruction, " of ", bound.size());
    const hasten::fb::Instr& i = *model->model->program().instrs()->Get(instruction);
    const hasten::InstructionCost c = hasten::CostOf(model->model->program(), model->model->layers(), i);
    return WriteInfo(info, {0, hasten::fb::EnumNameOp(i.op_type()), bound[instruction]->kernel(), OrEmpty(i.loc()), c.output_rows,
                            static_cast<uint32_t>(c.arithmetic), c.weight_bytes, c.row_bytes, c.row_multiply_adds, c.key_bytes,
                            c.key_multiply_adds, c.window});
  });
}

}  // extern "C"
