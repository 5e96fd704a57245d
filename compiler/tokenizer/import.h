// Import of a Hugging Face tokenizer: tokenizer.json (and what the runtime needs
// of tokenizer_config.json and chat_template.jinja) to the packed form that the
// artifact carries. Only the compiler sees JSON.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace hasten {

// Returns a FlatBuffer of runtime/format/tokenizer.fbs, the same bytes for the
// same input. The config and the template may be empty; a template given apart
// (chat_template.jinja) wins over the config's. `truncation` and `padding` are
// ignored: the engine decides those. Anything that is not supported is refused
// with its place: pre_tokenizer.pretokenizers[1].type "Foo" is not supported.
Result<std::vector<uint8_t>> ImportTokenizer(std::string_view tokenizer_json, std::string_view tokenizer_config_json,
                                             std::string_view chat_template_jinja = {});

}  // namespace hasten
