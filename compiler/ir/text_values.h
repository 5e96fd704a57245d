// The types, tensors and attributes of the textual IR, read from a cursor.
#pragma once

#include <functional>
#include <memory>

#include "compiler/ir/graph.h"
#include "compiler/ir/text.h"
#include "compiler/ir/text_cursor.h"

namespace hasten::ir {

class TextValues {
 public:
  TextValues(TextCursor& cursor, const ParseOptions& options) : cursor_(cursor), options_(options) {}

  Result<Type> ReadType();
  // A type whose dims are numbers, "=" or ",", and the elements.
  Result<Tensor> ReadTensor(std::string_view separator);
  // `nested` reads a graph after the word "graph".
  using ReadGraph = std::function<Result<std::shared_ptr<Graph>>()>;
  Result<Attr> ReadAttr(const ReadGraph& nested);

 private:
  Result<Tensor> ReadElements(DType dtype, std::vector<int64_t> dims, size_t at);
  Result<Tensor> ReadBlob(DType dtype, std::vector<int64_t> dims, size_t at);
  Result<Tensor> Generate(DType dtype, std::vector<int64_t> dims, size_t at);
  Status ReadElement(DType dtype, std::byte* to);
  Result<Attr> ReadList();

  TextCursor& cursor_;
  const ParseOptions& options_;
  uint64_t generated_ = 0;
};

}  // namespace hasten::ir
