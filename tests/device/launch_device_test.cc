// What launchers choose for devices of other architectures and sizes than the emulator's
// own: within each one's limits for models of all sizes, with the same bits, and with
// scratch that is enough for every smaller step. Only in the emulator, which pretends.
#include <utility>

#include "tests/device/emulator.h"

#include "runtime/kernels/norm/contract.h"
#include "runtime/kernels/sample/contract.h"
#include "tests/device/attention_step.h"
#include "tests/device/linear_step.h"
#include "tests/device/pretend.h"

namespace hasten {
namespace {

using testing::DeviceStep;
using testing::HostStep;
using testing::kKvTypes;
using testing::LinearStep;
using testing::Machine;
using testing::MakeStep;
using testing::Name;
using testing::Of;
using testing::OnDevice;
using testing::SameBits;
using testing::Shape;
using testing::TestDevice;
using testing::TestQueue;

constexpr int kArchs[] = {80, 86, 89, 90, 100, 120}, kProcessors[] = {1, 20, 132};
// Each architecture, each number of processors, and large ones of all kinds.
constexpr Machine kSome[] = {{80, 132}, {86, 20}, {89, 1}, {90, 132}, {90, 1}, {100, 132}, {120, 132}};

template <class F>
void ForEachMachine(F f) {
  for (const int arch : kArchs)
    for (const int processors : kProcessors) f(Machine{arch, processors});
}

// With scratch of the test's own.
class PretendAlone : public testing::Pretend {
 public:
  explicit PretendAlone(const Machine& m) : Pretend(m), own_(queue()) {}
  ~PretendAlone() { queue().scratch = own_.scratch, queue().scratch_bytes = own_.scratch_bytes; }

 private:
  const DeviceQueue own_;
};

// The row that is chosen, and one that is on trial beside it, if there is one.
template <class Args>
const DeviceKernel<Args>* Select(const Args& a, int arch, bool trial = false) {
  if (!trial) return SelectKernel(TestDevice().kernels().table<Args>(), a, arch);
  for (const DeviceKernel<Args>& k : TestDevice().kernels().table<Args>())
    if (k.trial && k.arch <= arch && (!k.accepts || k.accepts(a))) return &k;
  return nullptr;
}

template <class Args>
size_t ScratchOf(const Args& a, const Machine& m, bool trial = false) {
  PretendAlone p(m);
  const auto* k = Select(a, m.arch, trial);
  return k && k->scratch ? k->scratch(a, p.queue()) : 0;
}

// The arguments' arrays need not exist: launchers look at sizes only. What a device would
// refuse ends the program with a message.
template <class Args>
void ExpectLaunch(const Args& a, const Machine& m, const std::string& what, bool trial = false) {
  PretendAlone p(m);
  const auto* k = Select(a, m.arch, trial);
  if (trial && !k) return;
  ASSERT_TRUE(k) << what << " on " << Of(m);
  p.queue().scratch = reinterpret_cast<std::byte*>(256), p.queue().scratch_bytes = k->scratch ? k->scratch(a, p.queue()) : 0;
  emulated::NotRun counted;
  k->launch(a, p.queue());
  EXPECT_GT(counted.launches(), 0) << what << " on " << Of(m);
}

// Runs the kernel in exactly the scratch that it asks for, with a guard behind it.
template <class Args>
void RunOn(const Args& a, const Machine& m, bool trial = false) {
  constexpr size_t kGuard = 65536, kPoisoned = size_t{1} << 20;
  static std::vector<std::byte> memory;
  const size_t bytes = ScratchOf(a, m, trial);
  if (memory.size() < bytes + kGuard + 256) memory.resize(bytes + kGuard + 256);
  std::byte* const scratch = memory.data() + (256 - reinterpret_cast<uintptr_t>(memory.data()) % 256);
  std::memset(scratch, 0xff, std::min(bytes, kPoisoned)), std::memset(scratch + bytes, 0xff, kGuard);
  PretendAlone p(m);
  p.queue().scratch = scratch, p.queue().scratch_bytes = bytes;
  Select(a, m.arch, trial)->launch(a, p.queue());
  EXPECT_EQ(std::count(scratch + bytes, scratch + bytes + kGuard, std::byte{0xff}), static_cast<int64_t>(kGuard)) << "written behind scratch on " << Of(m);
}

LinearArgs LinearOf(Scheme scheme, int64_t rows, int64_t n, int64_t k, int64_t ga, int64_t parts) {
  LinearArgs a{.scheme = scheme, .rows = rows, .n = n, .k = k, .ga = ga};
  const QuantizedLayout l = QuantizedRowLayout(k, ga, parts > 1);
  a.xq.q_stride = l.q_stride, a.xq.g_stride = l.g_stride, a.xq.parts = l.parts;
  a.x_stride = k, a.out_stride = n;
  return a;
}
// The activation groups that a scheme takes.
std::vector<int64_t> GroupsOf(const SchemeInfo& s, int64_t k) {
  if (!s.integer) return {k};
  if (s.group == 0) return {32, k};
  return {s.group};
}

TEST(DeviceLaunch, LinearStaysWithinEveryDevicesLimits) {
  ForEachMachine([](const Machine& m) {
    for (const SchemeInfo& s : AllSchemes())
      for (const int64_t k : {32, 4096, 14336, 28672, 16896, 202752, 262144})
        for (const int64_t ga : GroupsOf(s, k))
          for (const int64_t n : {1, 4096, 128256})
            for (const int64_t rows : {1, 2, 8, 9, 16, 17, 32, 33, 64, 65, 512, 8192})
              for (const int64_t parts : {1, 2}) {
                const LinearArgs a = LinearOf(s.scheme, rows, n, k, ga, parts);
                if ((parts > 1 && !s.integer) || !SelectKernel(LinearKernels(), a, Isa::kScalar)) continue;   // nothing takes so long a run
                for (const bool trial : {false, true}) ExpectLaunch(a, m, StrCat(s.name, " n ", n, " k ", k, " rows ", rows, " parts ", parts), trial);
              }
  });
}

AttentionArgs AttentionOf(KvType kv, int64_t dim, std::pair<int64_t, int64_t> heads, int64_t rows, int64_t tiles, int64_t keys) {
  AttentionArgs a = testing::ArgsOf(Shape(heads.first, heads.second, dim, dim, kv));
  a.paged.rows = rows, a.paged.tile_count = tiles, a.paged.most_keys = keys;
  return a;
}
constexpr std::pair<int64_t, int64_t> kHeads[] = {{32, 8}, {16, 16}, {71, 1}};

TEST(DeviceLaunch, AttentionStaysWithinEveryDevicesLimits) {
  ForEachMachine([](const Machine& m) {
    for (const KvType kv : kKvTypes)
      for (const int64_t dim : {8, 64, 96, 128, 200, 256})
        for (const auto& heads : kHeads)
          for (const int64_t keys : {64, 4096, 32768, 1 << 24})
            for (const auto& [rows, tiles] : {std::pair<int64_t, int64_t>{1, 1}, {64, 64}, {7, 3}, {2048, 32}, {8192, 8192}})
              ExpectLaunch(AttentionOf(kv, dim, heads, rows, tiles, keys), m, StrCat("kv ", static_cast<int>(kv), " dim ", dim, " rows ", rows, " keys ", keys));
  });
}

TEST(DeviceLaunch, OpsOnRowsStayWithinEveryDevicesLimits) {
  ForEachMachine([](const Machine& m) {
    for (const int64_t rows : {1, 8192, 70000})
      for (const int64_t cols : {64, 4096, 16384, 131072}) {
        const std::string what = StrCat("rows ", rows, " cols ", cols);
        ExpectLaunch(NormArgs{.x_stride = cols, .rows = rows, .cols = cols}, m, what);
        ExpectLaunch(NormArgs{.x_stride = cols, .rows = rows, .groups = cols / 64, .cols = 64}, m, what);
        ExpectLaunch(UnaryArgs{.op = Unary::kSilu, .rows = rows, .cols = cols}, m, what);
        ExpectLaunch(BinaryArgs{.rows = rows, .cols = cols}, m, what);
        ExpectLaunch(GatedArgs{.rows = rows, .cols = cols}, m, what);
        ExpectLaunch(CopyArgs{.rows = rows, .cols = cols}, m, what);
        ExpectLaunch(EmbedArgs{.scheme = Scheme::kI8G128, .vocab = 128256, .cols = cols, .rows = rows}, m, what);
        ExpectLaunch(RopeArgs{.rows = rows, .heads = cols / 64, .head_dim = 64, .rotary_dim = 64}, m, what);
        for (const int64_t ga : {int64_t{32}, int64_t{128}, cols}) {
          QuantizeArgs q{.rows = rows, .cols = cols, .ga = ga};
          q.out.q_stride = QuantizedRowLayout(cols, ga).q_stride;
          ExpectLaunch(q, m, what);
        }
        KvAppendArgs append;
        append.shape = Shape(cols / 64, cols / 64, 64, 64, KvType::kI8), append.paged.rows = rows;
        ExpectLaunch(append, m, what);
        const RopeArgs keys{.rows = rows, .heads = cols / 64, .head_dim = 64, .rotary_dim = 64};
        ExpectLaunch(FusedAppendArgs{keys, true, keys, append}, m, what);
        QuantizeArgs q{.rows = rows, .cols = cols, .ga = 128};
        q.out.q_stride = cols;
        if (cols <= 16384) ExpectLaunch(FusedNormArgs{.norm = {.rows = rows, .cols = cols}, .quantizes = 1, .quantize = {q}}, m, what);
        ExpectLaunch(FusedActivationArgs{.gated = true, .gate = {.act = Unary::kSilu, .rows = rows, .cols = cols}, .quantize = q}, m, what);
      }
    for (const int64_t rows : {1, 300})
      for (const int64_t vocab : {1, 32000, 262144, 737280}) ExpectLaunch(SampleArgs{.vocab = vocab, .rows = rows}, m, StrCat("vocabulary ", vocab));
  });
}

// The engine asks once, for the largest step, and runs all others in that.
TEST(DeviceLaunch, ScratchIsEnoughForEverySmallerStep) {
  ForEachMachine([](const Machine& m) {
    for (const Scheme scheme : {Scheme::kI4G32, Scheme::kI5G64, Scheme::kI6G128, Scheme::kI8, Scheme::kF16})
      for (const int64_t k : {512, 4096, 14336, 28672})
        for (const int64_t n : {16, 4096, 128256})
          for (const int64_t parts : {1, 2}) {
            size_t last = 0, last_trial = 0;
            for (int64_t rows = 1; rows <= 150; ++rows) {
              const LinearArgs a = LinearOf(scheme, rows, n, k, GroupsOf(GetScheme(scheme), k)[0], parts);
              const size_t s = ScratchOf(a, m), trial = ScratchOf(a, m, true);
              ASSERT_GE(trial, std::exchange(last_trial, trial)) << GetScheme(scheme).name << " n " << n << " k " << k << " rows " << rows << " on " << Of(m);
              ASSERT_GE(s, last) << GetScheme(scheme).name << " n " << n << " k " << k << " rows " << rows << " on " << Of(m);
              last = s;
            }
          }
    for (const KvType kv : kKvTypes)
      for (const auto& heads : kHeads)
        for (const int64_t window : {0, 1000}) {
          size_t last = 0;
          for (const int64_t keys : {1, 64, 256, 257, 4096, 32768, 1 << 20})
            for (const int64_t rows : {1, 2, 3, 16, 63, 64, 65, 512}) {
              AttentionArgs a = AttentionOf(kv, 128, heads, rows, rows, keys);
              a.shape.window = window;
              const size_t s = ScratchOf(a, m);
              a.paged.most_keys = 1 << 20;
              ASSERT_LE(s, ScratchOf(a, m)) << "rows " << rows << " keys " << keys << " on " << Of(m);
              a.paged.rows = a.paged.tile_count = 512, a.paged.most_keys = keys;
              ASSERT_LE(s, ScratchOf(a, m)) << "rows " << rows << " keys " << keys << " on " << Of(m);
              last = std::max(last, s);
            }
          EXPECT_GT(last, 0u);
        }
    for (int64_t rows = 1; rows < 200; ++rows)
      ASSERT_LE(ScratchOf(SampleArgs{.vocab = 128256, .rows = rows}, m), ScratchOf(SampleArgs{.vocab = 128256, .rows = rows + 1}, m)) << Of(m);
  });
}

void CheckLinear(const LinearStep& step, std::span<const Machine> machines, bool trial = false) {
  for (const Machine& m : machines) {
    OnDevice<float> out(step.empty());
    RunOn(step.Args(out.get()), m, trial);
    EXPECT_TRUE(SameBits(step.want(), out.Get())) << step.Name() << " on " << Of(m);
  }
}

TEST(DeviceLaunch, LinearOfFewRowsGivesTheSameBitsOnEveryDevice) {
  for (const int64_t k : {4096, 14336})
    for (const int64_t rows : {1, 8, 20}) {
      const bool wide = k > 4096 && rows > 1;   // as much shared memory as there is
      CheckLinear(LinearStep({Scheme::kI4G128, rows, 17, k, 128}), wide ? std::span(kSome).first(4) : std::span(kSome));
    }
  CheckLinear(LinearStep({Scheme::kI8, 3, 16, 4096, 4096}), kSome);
  CheckLinear(LinearStep({Scheme::kI6G64, 5, 16, 14336, 64, true}), std::span(kSome).first(4));
}

TEST(DeviceLaunch, LinearOfManyRowsGivesTheSameBitsOnEveryDevice) {
  constexpr Machine kParts[] = {{80, 132}, {86, 20}, {89, 132}, {90, 132}, {100, 20}, {120, 132}}, kAll[] = {{89, 1}}, kLong[] = {{86, 1}, {90, 132}};
  CheckLinear(LinearStep({Scheme::kI4G128, 65, 17, 4096, 128}), kParts);
  CheckLinear(LinearStep({Scheme::kI4G128, 65, 100, 4096, 128}), kAll);   // wide tiles, with sums in scratch
  CheckLinear(LinearStep({Scheme::kI8, 33, 20, 4096, 64}), kAll);
  CheckLinear(LinearStep({Scheme::kI5G32, 34, 16, 14336, 32}), kLong);
  constexpr Machine kHopper[] = {{90, 1}, {90, 3}};
  CheckLinear(LinearStep({Scheme::kI4G128, 66, 260, 2200, 128}), kHopper, true);   // sums in scratch, of one block and of three
}

TEST(DeviceLaunch, LinearOfFloatsGivesTheSameBitsOnEveryDevice) {
  for (const int64_t rows : {1, 9}) {
    CheckLinear(LinearStep({Scheme::kF16, rows, 9, 4096}), kSome);
    CheckLinear(LinearStep({Scheme::kF32, rows, 5, 14336}), kSome);
    CheckLinear(LinearStep({Scheme::kF16, rows, 2, 204800}), std::span(kSome).first(4));   // more sums than some devices have room for
  }
}

void CheckAttention(const HostStep& h, int64_t most_keys, std::span<const Machine> machines) {
  const DeviceStep d(h);
  for (const Machine& m : machines) {
    const OnDevice<float> out(std::vector<float>(h.want.size(), -7.0f));
    RunOn(d.Args(out.get(), most_keys), m);
    EXPECT_TRUE(SameBits(h.want, out.Get())) << Name(h.s) << " on " << Of(m);
  }
}

TEST(DeviceLaunch, AttentionGivesTheSameBitsOnEveryDevice) {
  constexpr Machine kFew[] = {{80, 20}, {89, 1}, {90, 132}};
  for (const KvType kv : kKvTypes)
    for (const int64_t dim : {64, 128, 256}) {
      // Decoding in a graph: made for many keys, run with few.
      CheckAttention(MakeStep(Shape(2, 1, dim, dim, kv), {{300, 1}, {20, 1}}), 32768, dim == 64 ? std::span(kSome) : std::span(kSome).first(4));
      CheckAttention(MakeStep(Shape(2, 1, dim, dim, kv), {{250, 18}}), 0, kFew);
    }
}

TEST(DeviceLaunch, NormAndSamplingGiveTheSameBitsOnEveryDevice) {
  testing::Rng rng(3);
  constexpr int64_t kCols = 16384, kVocab = 5000, kRows = 3;
  const std::vector<float> x = rng.Normals(kCols), logits = rng.Normals(kVocab * kRows, 3.0f);
  std::vector<float> want(kCols);
  NormArgs norm{.x = x.data(), .out = want.data(), .x_stride = kCols, .out_stride = kCols, .rows = 1, .cols = kCols, .eps = 1e-5f};
  testing::RunShuffled(testing::ScalarRow(NormKernels(), norm), norm, 1);
  std::vector<SampleRow> params;
  std::vector<int32_t> tokens;
  std::vector<uint64_t> work(SampleWorkBytes(kVocab) / 8 + 1);
  for (int32_t r = 0; r < kRows; ++r) {
    params.push_back({{.top_k = 40 * r, .top_p = 0.9f, .seed = 11}, r, r, 0, 0});
    tokens.push_back(*Sample({logits.data() + r * kVocab, kVocab}, {}, r, params.back().options, std::as_writable_bytes(std::span(work))));
  }
  const OnDevice<float> dx(x), dlogits(logits);
  const OnDevice<SampleRow> dparams(params);
  norm.x = dx.get();
  ForEachMachine([&](const Machine& m) {
    const OnDevice<float> out(want.size());
    norm.out = out.get();
    RunOn(norm, m);
    EXPECT_TRUE(SameBits(want, out.Get())) << Of(m);
    const OnDevice<int32_t> chosen(tokens.size());
    RunOn(SampleArgs{dlogits.get(), kVocab, kVocab, dparams.get(), nullptr, chosen.get(), kRows}, m);
    EXPECT_EQ(tokens, chosen.Get()) << Of(m);
  });
}

}  // namespace
}  // namespace hasten
