// Encodes or decodes many strings with one tokenizer, for compare.py, which holds
// the results against the `tokenizers` package. Not a user's tool.
//   tokenize_cli TOKENIZER.json encode|raw|decode|stream [--time]
// encode: stdin holds strings, each after its length (uint32, little endian);
// stdout gets, for each, a count (uint32; 2^32-1 for an error) and the ids.
// raw: the same without special tokens. decode: stdin holds id lists (count,
// ids), stdout strings (length, bytes). stream: the same through StreamDecoder.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "compiler/tokenizer/import.h"
#include "runtime/engine/tokenizer/tokenizer.h"

namespace {

std::string ReadAll(std::FILE* f) {
  std::string out;
  char buffer[1 << 16];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, f)) > 0;) out.append(buffer, n);
  return out;
}

uint32_t U32(const std::string& s, size_t at) {
  uint32_t v = 0;
  std::memcpy(&v, s.data() + at, 4);
  return v;
}

void Put(uint32_t v) { std::fwrite(&v, 4, 1, stdout); }

void Encode(const hasten::Tokenizer& tokenizer, const std::string& in, bool special) {
  for (size_t at = 0; at + 4 <= in.size();) {
    const uint32_t n = U32(in, at);
    const auto ids = tokenizer.Encode(std::string_view(in).substr(at + 4, n), {.add_special_tokens = special});
    at += 4 + n;
    if (!ids.ok()) {
      std::fprintf(stderr, "%s\n", ids.status().message().c_str());
      Put(0xFFFFFFFFu);
      continue;
    }
    Put(static_cast<uint32_t>(ids->size()));
    std::fwrite(ids->data(), 4, ids->size(), stdout);
  }
}

void Decode(const hasten::Tokenizer& tokenizer, const std::string& in, bool stream) {
  for (size_t at = 0; at + 4 <= in.size();) {
    const uint32_t n = U32(in, at);
    std::vector<int32_t> ids(n);
    if (n) std::memcpy(ids.data(), in.data() + at + 4, 4ull * n);
    at += 4 + 4ull * n;
    std::string text;
    if (stream) {
      hasten::StreamDecoder decoder(tokenizer);
      for (const int32_t id : ids) text += decoder.Push(id).value();
      text += decoder.Finish().value();
    } else {
      text = tokenizer.Decode(ids).value();
    }
    Put(static_cast<uint32_t>(text.size()));
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::ifstream file(argv[1], std::ios::binary);
  const std::string json((std::istreambuf_iterator<char>(file)), {});
  const auto packed = hasten::ImportTokenizer(json, "");
  if (!packed.ok()) {
    std::fprintf(stderr, "%s\n", packed.status().message().c_str());
    return hasten::ExitStatus(packed.status().code());
  }
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto tokenizer = hasten::Tokenizer::Open(*packed);
  if (!tokenizer.ok()) return 70;
  const auto opened = Clock::now();
  const std::string in = ReadAll(stdin);
  const auto read = Clock::now();
  const std::string mode = argv[2];
  if (mode == "encode" || mode == "raw") Encode(**tokenizer, in, mode == "encode");
  else Decode(**tokenizer, in, mode == "stream");
  if (argc > 3) {
    const std::chrono::duration<double> open = opened - start, run = Clock::now() - read;
    std::fprintf(stderr, "packed %zu bytes, open %.2f ms, %zu bytes in %.3f s = %.2f MB/s\n", packed->size(),
                 open.count() * 1e3, in.size(), run.count(), static_cast<double>(in.size()) / 1e6 / run.count());
  }
  return 0;
}
