// What the tiny model is put together from: buffers, tensors and the parts of a
// block, each emitting its instructions. One buffer a value, so that the
// checker's rule about shared arena bytes is trivially kept.
#pragma once

#include <memory>
#include <random>
#include <string>

#include "runtime/format/buffer_layout.h"
#include "tests/format/tiny_model.h"

namespace hasten::testing {

class TinyParts {
 public:
  explicit TinyParts(TinyModel& m) : m_(m), c_(m.config), rng_(c_.seed) {}

 protected:
  using View = fb::View;

  View Buf(uint32_t cols, fb::Rows rows = fb::Rows::Tokens) { return AddBuffer(fb::BufferKind::F32, cols, 0, rows); }
  View AddBuffer(fb::BufferKind kind, uint32_t cols, uint32_t group, fb::Rows rows, bool residual = false) {
    auto b = std::make_unique<fb::BufferT>();
    b->kind = kind;
    b->rows = rows;
    b->cols = cols;
    b->group = group, b->residual = residual;
    b->offset = m_.program.arena_bytes_per_row;
    m_.program.arena_bytes_per_row += kind == fb::BufferKind::F32 ? FloatBytesPerRow(cols) : QuantizedBytesPerRow(cols, group, residual);
    m_.program.buffers.push_back(std::move(b));
    return View(static_cast<uint32_t>(m_.program.buffers.size() - 1), cols, 0);
  }
  static View Part(const View& v, uint32_t col, uint32_t cols) { return View(v.buffer(), cols, v.col() + col); }
  static std::unique_ptr<View> V(const View& v) { return std::make_unique<View>(v); }

  uint32_t Tensor(const std::string& name, Scheme scheme, uint32_t n, uint32_t k, float around, float spread);
  template <class T>
  void Emit(T op, const char* loc) {
    auto i = std::make_unique<fb::InstrT>();
    i->op.Set(std::move(op));
    i->loc = loc;
    m_.program.instrs.push_back(std::move(i));
  }
  View Norm(const View& x, const std::string& name, uint32_t groups, const View& out);
  View Linear(const View& x, const std::string& name, Scheme scheme, uint32_t n);
  View LinearWith(const View& x, uint32_t weight, int32_t bias);
  void Rope(const View& x, uint32_t heads);
  void Residual(const View& x, const View& add);
  View EmbedIn();

  TinyModel& m_;
  const TinyConfig& c_;
  std::mt19937 rng_;
};

}  // namespace hasten::testing
