#include "calib/eval/logits_file.h"

#include <bit>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/checked.h"
#include "runtime/base/half.h"

namespace hasten::calib {
namespace {

static_assert(std::endian::native == std::endian::little);   // safetensors' byte order
using Json = nlohmann::json;
constexpr uint64_t kMostHeader = 1 << 20;

struct Mapping {
  const std::byte* data = nullptr;
  size_t size = 0;
  ~Mapping() {
    if (data) munmap(const_cast<std::byte*>(data), size);
  }
};

Result<std::shared_ptr<const Mapping>> Map(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return ResourceError("cannot open ", path, ": ", std::strerror(errno));
  struct stat info;
  const bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  const auto mapping = std::make_shared<Mapping>();
  Status status;
  if (!regular) {
    status = BadInput(path, ": not a regular file");
  } else if (info.st_size < 8) {
    status = BadInput(path, ": ", static_cast<int64_t>(info.st_size), " bytes, too short for safetensors");
  } else {
    mapping->size = static_cast<size_t>(info.st_size);
    void* at = mmap(nullptr, mapping->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) status = ResourceError("cannot map ", path, ": ", std::strerror(errno));
    else mapping->data = static_cast<const std::byte*>(at);
  }
  close(fd);
  if (!status.ok()) return status;
  return std::shared_ptr<const Mapping>(mapping);
}

struct View {
  std::string dtype;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
};

size_t SizeOf(std::string_view dtype) { return dtype == "F16" ? 2 : dtype == "F32" || dtype == "I32" ? 4 : 0; }

// The tensor `name`, with its extent compared to the bytes that are there.
Result<View> FindTensor(const Json& header, const Mapping& file, size_t data_begin, const std::string& name) {
  const auto it = header.find(name);
  if (it == header.end()) return BadInput("there is no tensor \"", name, "\"");
  const Json &dtype = it->is_object() ? it->value("dtype", Json()) : Json(), &shape = it->is_object() ? it->value("shape", Json()) : Json(),
             &offsets = it->is_object() ? it->value("data_offsets", Json()) : Json();
  if (!dtype.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2) return BadInput("tensor \"", name, "\": dtype, shape or data_offsets are missing");
  View view{dtype.get<std::string>(), {}, nullptr};
  uint64_t bytes = SizeOf(view.dtype);
  if (bytes == 0) return BadInput("tensor \"", name, "\": elements of type ", view.dtype, "; I32, F16 and F32 are read");
  for (const Json& d : shape) {
    if (!d.is_number_unsigned() || d.get<uint64_t>() > uint64_t{1} << 40 || __builtin_mul_overflow(bytes, d.get<uint64_t>(), &bytes)) {
      return BadInput("tensor \"", name, "\": a shape that cannot be");
    }
    view.shape.push_back(static_cast<int64_t>(d.get<uint64_t>()));
  }
  if (!offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) return BadInput("tensor \"", name, "\": data_offsets are no numbers");
  const uint64_t begin = offsets[0].get<uint64_t>(), end = offsets[1].get<uint64_t>(), there = file.size - data_begin;
  if (begin > end || end > there || end - begin != bytes) {
    return BadInput("tensor \"", name, "\": bytes ", begin, " to ", end, " of ", there, " for a shape of ", bytes, " bytes");
  }
  view.data = file.data + data_begin + begin;
  return view;
}

class FileRows : public RowSource {
 public:
  FileRows(std::shared_ptr<const Mapping> file, const std::byte* data, bool half, int64_t rows, int64_t cols)
      : RowSource(rows, cols), file_(std::move(file)), data_(data), half_(half) {}
  void Row(int64_t r, std::span<float> out) const override {
    const size_t n = static_cast<size_t>(cols());
    if (!half_) {
      std::memcpy(out.data(), data_ + static_cast<size_t>(r) * n * 4, n * 4);
      return;
    }
    for (size_t i = 0; i < n; ++i) {
      uint16_t half = 0;
      std::memcpy(&half, data_ + (static_cast<size_t>(r) * n + i) * 2, 2);
      out[i] = HalfToFloat(half);
    }
  }

 private:
  std::shared_ptr<const Mapping> file_;
  const std::byte* data_;
  bool half_;
};

Result<int64_t> FirstScored(const Json& header) {
  const auto metadata = header.find("__metadata__");
  const Json value = metadata != header.end() && metadata->is_object() ? metadata->value("first_scored", Json()) : Json();
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos) {
    return BadInput("metadata \"first_scored\": the position of the first row is needed, as text");
  }
  return static_cast<int64_t>(std::stoll(text));
}

Result<LogitsFile> Read(std::shared_ptr<const Mapping> file) {
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file->data, 8);
  if (header_bytes > kMostHeader || header_bytes > file->size - 8) return BadInput("is not safetensors: a header of ", header_bytes, " bytes");
  const char* text = reinterpret_cast<const char*>(file->data + 8);
  const Json header = Json::parse(text, text + header_bytes, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return BadInput("is not safetensors: its header is no JSON object");
  const size_t data_begin = 8 + static_cast<size_t>(header_bytes);
  HST_ASSIGN_OR_RETURN(const View tokens, FindTensor(header, *file, data_begin, "tokens"));
  HST_ASSIGN_OR_RETURN(const View logits, FindTensor(header, *file, data_begin, "logits"));
  LogitsFile out;
  HST_ASSIGN_OR_RETURN(out.chunks.first_scored, FirstScored(header));
  if (tokens.dtype != "I32" || tokens.shape.size() != 2) return BadInput("tensor \"tokens\": I32 [chunks, context] is needed");
  if (logits.dtype == "I32" || logits.shape.size() != 3) return BadInput("tensor \"logits\": F16 or F32 [chunks, positions, vocab] is needed");
  out.chunks.count = tokens.shape[0];
  out.chunks.context = tokens.shape[1];
  out.vocab = logits.shape[2];
  const int64_t positions = logits.shape[1], scored = out.chunks.context - 1 - out.chunks.first_scored;
  if (out.chunks.count < 1 || scored < 1 || out.vocab < 1 || out.vocab > 1 << 24) return BadInput("no chunk, no scored position or no vocabulary");
  if (logits.shape[0] != out.chunks.count || (positions != scored && positions != scored + 1)) {
    return BadInput("tensor \"logits\" is [", logits.shape[0], ", ", positions, ", ", out.vocab, "]; for tokens [", out.chunks.count, ", ", out.chunks.context,
                    "] and first_scored ", out.chunks.first_scored, " it has to be [", out.chunks.count, ", ", scored, ", vocab]");
  }
  out.chunks.tokens.resize(static_cast<size_t>(out.chunks.count * out.chunks.context));
  std::memcpy(out.chunks.tokens.data(), tokens.data, out.chunks.tokens.size() * 4);
  for (size_t i = 0; i < out.chunks.tokens.size(); ++i) {
    if (out.chunks.tokens[i] < 0 || out.chunks.tokens[i] >= out.vocab) return BadInput("tensor \"tokens\": element ", i, " is ", out.chunks.tokens[i], ", outside the vocabulary of ", out.vocab);
  }
  for (int32_t c = 0; c < out.chunks.count; ++c) out.chunks.document.push_back(c);
  if (header.contains("documents")) {
    HST_ASSIGN_OR_RETURN(const View documents, FindTensor(header, *file, data_begin, "documents"));
    if (documents.dtype != "I32" || documents.shape != std::vector<int64_t>{out.chunks.count}) return BadInput("tensor \"documents\": I32 [chunks] is needed");
    std::memcpy(out.chunks.document.data(), documents.data, out.chunks.document.size() * 4);
    out.has_documents = true;
  }
  const bool half = logits.dtype == "F16";
  const size_t stride = static_cast<size_t>(positions * out.vocab) * (half ? 2 : 4);
  out.rows = [file, data = logits.data, half, scored, vocab = out.vocab, stride](int64_t i) -> Result<std::shared_ptr<const RowSource>> {
    return std::shared_ptr<const RowSource>(std::make_shared<FileRows>(file, data + static_cast<size_t>(i) * stride, half, scored, vocab));
  };
  return out;
}

}  // namespace

Result<LogitsFile> OpenLogitsFile(const std::string& path) {
  HST_ASSIGN_OR_RETURN(std::shared_ptr<const Mapping> file, Map(path));
  Result<LogitsFile> out = Read(std::move(file));
  if (!out.ok()) return std::move(out).status().Annotate(path);
  return out;
}

}  // namespace hasten::calib
