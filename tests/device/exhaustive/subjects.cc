// The scalar row, the other rows of the CPU and those of the device, one after another on
// the same floats.
#include "tests/device/exhaustive/subjects.h"

#include <bit>
#include <cstdio>

#include "runtime/kernels/elementwise/contract.h"
#include "runtime/kernels/quantize/contract.h"
#include "tests/device/test_device.h"
#include "tests/kernels/test_util.h"

namespace hasten::testing {
namespace {

template <class T>
T Take(Result<T> r) {
  if (!r.ok()) std::fprintf(stderr, "math_exhaustive: %s\n", r.status().message().c_str()), std::exit(4);
  return *std::move(r);
}

// A thread's own queue, an array for the floats and one for what a row makes of them.
class DeviceSide {
 public:
  DeviceSide(size_t in_bytes, size_t out_bytes)
      : queue_(Take(TestDevice().NewQueue())), in_(Take(TestDevice().Allocate(in_bytes, "floats"))), out_(Take(TestDevice().Allocate(out_bytes, "results"))),
        host_in_(Take(TestDevice().AllocateHost(in_bytes, "floats"))), host_out_(Take(TestDevice().AllocateHost(out_bytes, "results"))) {}

  const float* Put(std::span<const float> x) {
    std::memcpy(host_in_.data(), x.data(), x.size_bytes());
    queue_->Upload(in_.data(), host_in_.data(), x.size_bytes());
    return reinterpret_cast<const float*>(in_.data());
  }
  std::byte* out() const { return out_.data(); }
  // Runs a row that writes `bytes` to out(); they are there until the next run.
  template <class Args>
  const std::byte* Run(const DeviceKernel<Args>& k, const Args& a, size_t bytes) {
    Status s = queue_->ReserveScratch(k.scratch ? k.scratch(a, queue_->launches()) : 0);
    if (s.ok()) {
      std::memset(host_out_.data(), 0xff, bytes);
      queue_->Upload(out_.data(), host_out_.data(), bytes);
      k.launch(a, queue_->launches());
      queue_->Download(host_out_.data(), out_.data(), bytes);
      s = queue_->Wait();
    }
    if (!s.ok()) std::fprintf(stderr, "math_exhaustive: %s: %s\n", k.name, s.message().c_str()), std::exit(4);
    return host_out_.data();
  }

 private:
  std::unique_ptr<Queue> queue_;
  DeviceMemory in_, out_, host_in_, host_out_;
};

template <class Args, class F>
void ForEachRowOnDevice(const Args& a, F f) {
  for (const DeviceKernel<Args>& k : TestDevice().kernels().template table<Args>())
    if (k.arch <= TestDevice().Info().arch && (!k.accepts || k.accepts(a))) f(k);
}

template <class Args>
std::vector<std::string_view> NamesOfRows(std::span<const Kernel<Args>> table, const Args& a, bool device) {
  std::vector<std::string_view> names;
  ForEachFastRow(table, a, [&](const Kernel<Args>& k) { names.push_back(k.name); });
  if (device) ForEachRowOnDevice(a, [&](const DeviceKernel<Args>& k) { names.push_back(k.name); });
  return names;
}

void Keep(std::optional<Difference>& first, const std::optional<Difference>& d) {
  if (d && (!first || d->index < first->index)) first = d;
}

class UnarySubject final : public Subject {
 public:
  UnarySubject(Unary op, bool device) : op_(op), want_(kPiece), got_(kPiece) {
    if (device) device_.emplace(kPiece * sizeof(float), kPiece * sizeof(float));
  }
  std::vector<std::string_view> Rows() const override { return NamesOfRows(UnaryKernels(), UnaryArgs{}, device_.has_value()); }

  std::optional<Difference> Compare(std::span<const float> x) override {
    const auto n = static_cast<int64_t>(x.size());
    UnaryArgs a{op_, x.data(), want_.data(), n, n, 1, n};
    RunShuffled(ScalarRow(UnaryKernels(), a), a, 1);
    std::optional<Difference> first;
    a.out = got_.data();
    ForEachFastRow(UnaryKernels(), a, [&](const Kernel<UnaryArgs>& k) {
      std::memset(got_.data(), 0xff, x.size_bytes());
      RunShuffled(k, a, 2);
      Keep(first, In(k.name, got_.data(), x.size()));
    });
    if (!device_) return first;
    a.x = device_->Put(x), a.out = reinterpret_cast<float*>(device_->out());
    ForEachRowOnDevice(a, [&](const DeviceKernel<UnaryArgs>& k) {
      Keep(first, In(k.name, reinterpret_cast<const float*>(device_->Run(k, a, x.size_bytes())), x.size()));
    });
    return first;
  }

 private:
  std::optional<Difference> In(const char* row, const float* got, size_t n) const {
    if (std::memcmp(want_.data(), got, n * sizeof(float)) == 0) return {};
    for (size_t i = 0; i < n; ++i)
      if (!SameBits(want_[i], got[i])) {
        char text[160];
        std::snprintf(text, sizeof text, "%s gives 0x%08x (%.9g), not 0x%08x (%.9g)", row, std::bit_cast<uint32_t>(got[i]), static_cast<double>(got[i]),
                      std::bit_cast<uint32_t>(want_[i]), static_cast<double>(want_[i]));
        return Difference{i, text};
      }
    return {};
  }

  Unary op_;
  std::vector<float> want_, got_;
  std::optional<DeviceSide> device_;
};

// Groups of 32. The floats by themselves are all near a group's largest, or on both sides
// of a power of two; with 127 after each, those up to it are rounded to every integer.
class QuantizeSubject final : public Subject {
 public:
  QuantizeSubject(bool with127, bool device)
      : each_(with127 ? 2 : 1), values_(kPiece * each_, 127.0f), want_(Layout(values_.size()).bytes_per_row), got_(want_.size()) {
    if (device) device_.emplace(values_.size() * sizeof(float), want_.size());
  }
  std::vector<std::string_view> Rows() const override {
    const int64_t cols = kGroup;
    return NamesOfRows(QuantizeKernels(), ArgsOf(values_.data(), cols, nullptr), device_.has_value());
  }

  std::optional<Difference> Compare(std::span<const float> x) override {
    for (size_t i = 0; i < x.size(); ++i) values_[i * each_] = x[i];
    const std::span<const float> values(values_.data(), x.size() * each_);
    const auto cols = static_cast<int64_t>(values.size());
    const size_t bytes = Layout(values.size()).bytes_per_row;
    QuantizeArgs a = ArgsOf(values.data(), cols, want_.data());
    RunShuffled(ScalarRow(QuantizeKernels(), a), a, 1);
    std::optional<Difference> first;
    a = ArgsOf(values.data(), cols, got_.data());
    ForEachFastRow(QuantizeKernels(), a, [&](const Kernel<QuantizeArgs>& k) {
      std::memset(got_.data(), 0xff, bytes);
      RunShuffled(k, a, 2);
      Keep(first, In(k.name, got_.data(), values.size()));
    });
    if (!device_) return first;
    a = ArgsOf(device_->Put(values), cols, device_->out());
    ForEachRowOnDevice(a, [&](const DeviceKernel<QuantizeArgs>& k) { Keep(first, In(k.name, device_->Run(k, a, bytes), values.size())); });
    return first;
  }

 private:
  static constexpr int64_t kGroup = 32;
  static QuantizedLayout Layout(size_t cols) { return QuantizedRowLayout(static_cast<int64_t>(cols), kGroup); }
  static QuantizeArgs ArgsOf(const float* x, int64_t cols, std::byte* out) {
    return {.x = x, .x_stride = cols, .rows = 1, .cols = cols, .ga = kGroup, .out = QuantizedRowsAt(out, 1, Layout(static_cast<size_t>(cols)))};
  }
  std::optional<Difference> In(const char* row, const std::byte* got_bytes, size_t cols) {
    const QuantizedLayout l = Layout(cols);
    if (std::memcmp(want_.data(), got_bytes, l.bytes_per_row) == 0) return {};
    const QuantizedRows want = QuantizedRowsAt(want_.data(), 1, l), got = QuantizedRowsAt(const_cast<std::byte*>(got_bytes), 1, l);
    for (size_t i = 0; i < cols; ++i) {
      const size_t g = i / kGroup;
      if (want.q[i] == got.q[i] && want.sum[g] == got.sum[g] && SameBits(want.scale[g], got.scale[g])) continue;
      char text[200];
      std::snprintf(text, sizeof text, "%s gives code %d, scale %.9g, sum %d of its group, not %d, %.9g, %d", row, got.q[i], static_cast<double>(got.scale[g]),
                    got.sum[g], want.q[i], static_cast<double>(want.scale[g]), want.sum[g]);
      return Difference{i / each_, text};
    }
    return {};
  }

  size_t each_;
  std::vector<float> values_;
  AlignedBytes want_, got_;
  std::optional<DeviceSide> device_;
};

constexpr const char* kUnaryNames[] = {"identity", "relu", "sigmoid", "silu", "gelu", "gelu_tanh", "tanh", "exp", "log", "sqrt", "reciprocal",
                                       "neg", "abs", "erf", "square", "quick_gelu", "softplus", "relu2", "cos", "sin"};
static_assert(std::size(kUnaryNames) == static_cast<size_t>(Unary::kSin) + 1);

}  // namespace

std::vector<SubjectKind> AllSubjects() {
  std::vector<SubjectKind> all;
  for (size_t i = 0; i < std::size(kUnaryNames); ++i)
    all.push_back({kUnaryNames[i], [i](bool device) { return std::make_unique<UnarySubject>(static_cast<Unary>(i), device); }});
  for (const bool with127 : {false, true})
    all.push_back({with127 ? "quantize_with_127" : "quantize", [with127](bool device) { return std::make_unique<QuantizeSubject>(with127, device); }});
  return all;
}

}  // namespace hasten::testing
