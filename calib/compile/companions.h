// The files that lie beside a model and go into its artifact: tokenizer, chat
// template, configurations, licence. Read as bytes; what they mean is for others.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace hasten::calib {

struct Companions {
  std::string tokenizer_json, tokenizer_config, chat_template;   // "" when absent
  std::string config, generation_config;
  std::string licence;
};

// Looks in `folder`, the model's own, then (exporters put the graph into onnx/)
// in the folder above it when `folder` is called "onnx". Absent files stay empty.
// kBadInput for one that is too large.
Result<Companions> ReadCompanions(const std::string& folder);

}  // namespace hasten::calib
