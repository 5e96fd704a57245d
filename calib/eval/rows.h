// Rows of the reference's logits for one chunk, and the form in which they are kept.
//
// KL divergence needs the whole distribution: top-k and the mass of the rest are not
// enough. A stored row is linear in 16 bits between its largest value and its smallest,
// at most 40 nats below (exp(-40) is no probability), with the 16 largest values and that
// of the token that came kept in fp32. A value is then off by at most 40 / 65534 / 2 =
// 3.1e-4 nats, the divergence of equal models by at most step^2 / 24 = 1.6e-8 nats, and
// a position takes 2 bytes a vocabulary entry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace hasten::calib {

class RowSource {
 public:
  virtual ~RowSource() = default;
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  // Row r's logits into out[cols]. Thread-safe.
  virtual void Row(int64_t r, std::span<float> out) const = 0;

 protected:
  RowSource(int64_t rows, int64_t cols) : rows_(rows), cols_(cols) {}
  int64_t rows_, cols_;
};

class StoredRows : public RowSource {
 public:
  // logits [rows][cols]; next [rows]: the token that came after each.
  static std::shared_ptr<const StoredRows> From(const float* logits, int64_t rows, int64_t cols, std::span<const int32_t> next);
  // kBadInput for bytes that Bytes() cannot have made.
  static Result<std::shared_ptr<const StoredRows>> Parse(std::span<const std::byte> bytes);
  std::vector<std::byte> Bytes() const;
  void Row(int64_t r, std::span<float> out) const override;

  static constexpr int kExact = 17;                 // values of a row in fp32
  static constexpr uint16_t kNone = 65535;          // -inf
  static constexpr float kRange = 40;               // nats

 private:
  StoredRows(int64_t rows, int64_t cols) : RowSource(rows, cols) {}
  void Store(int64_t r, const float* row, int32_t next);

  struct Scale {
    float top, step;                                // value = top - step * code; NaN: the row is broken
  };
  struct Exact {
    int32_t id;                                     // -1: unused
    float value;
  };
  std::vector<Scale> scales_;
  std::vector<Exact> exact_;                        // [rows][kExact]
  std::vector<uint16_t> codes_;                     // [rows][cols]
};

}  // namespace hasten::calib
