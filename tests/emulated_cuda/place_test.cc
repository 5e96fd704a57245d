// Artifacts on a device through the C interface: its memory as the caller sees it, serving,
// and the gate's check of the candidate against itself.
#include <memory>

#include "calib/gate/noise.h"
#include "calib/load/batch_engine.h"
#include "tests/engine/engine_fixture.h"

namespace hasten::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class OnAPlace : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    TinyConfig c;
    c.weights = c.head = Scheme::kI8G32, c.kv = KvType::kI8;
    c.hidden = c.inter = 64, c.vocab = 61, c.layers = 1;
    tiny_ = MakeTinyModel(c);
    ASSERT_TRUE(WriteTinyModel(tiny_, path_).ok());
  }
  std::unique_ptr<calib::Artifact> OpenIn(const calib::Place& place) {
    auto opened = calib::Artifact::Open(path_, "", place);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    return opened.ok() ? *std::move(opened) : nullptr;
  }
  static hst_model_info InfoOf(const calib::Artifact& artifact) {
    hst_model_info info = HST_MODEL_INFO_INIT;
    EXPECT_EQ(hst_model_get_info(artifact.get(), &info, nullptr), HST_OK);
    return info;
  }
};

TEST_F(OnAPlace, TheCallerSeesWhatIsTakenAndWhatIsLeft) {
  constexpr uint64_t kLimit = 4'000'000;
  const auto artifact = OpenIn({"cuda", kLimit});
  ASSERT_TRUE(artifact);
  EXPECT_EQ(artifact->info().device, "emulator");
  EXPECT_FALSE(artifact->on_cpu());
  EXPECT_GT(artifact->info().upload_ms, 0);
  const hst_model_info before = InfoOf(*artifact);
  EXPECT_GT(before.upload_nanoseconds, 0u);
  EXPECT_GT(before.device_bytes, 0u);
  EXPECT_EQ(before.device_bytes + before.device_bytes_left, kLimit);
  hst_context_options options = HST_CONTEXT_OPTIONS_INIT;
  options.threads = 1, options.max_rows = 16;
  hst_context *first = nullptr, *second = nullptr;
  ASSERT_EQ(hst_context_create(artifact->get(), &options, &first, nullptr), HST_OK);
  hst_context_info context = HST_CONTEXT_INFO_INIT;
  ASSERT_EQ(hst_context_get_info(first, &context, nullptr), HST_OK);
  EXPECT_GT(context.kv_tokens, 8192);   // not the usual: the rest of the limit
  const hst_model_info after = InfoOf(*artifact);
  EXPECT_LE(before.device_bytes + context.device_bytes, after.device_bytes);   // and the tables
  EXPECT_LT(after.device_bytes_left, 64u * 80u);   // less than a block: 64 tokens of 2 heads, 16 codes and a scale each for key and value
  hst_error* error = nullptr;
  EXPECT_EQ(hst_context_create(artifact->get(), &options, &second, &error), HST_RESOURCE);
  EXPECT_THAT(hst_error_message(error), HasSubstr("are left of the limit of 4000 kB"));
  hst_error_free(error);
  hst_context_free(first);
  EXPECT_EQ(hst_context_create(artifact->get(), &options, &second, nullptr), HST_OK);
  hst_context_free(second);
}

TEST_F(OnAPlace, ADeviceThatIsNotThereIsRefusedAndAutoIsTheFirst) {
  EXPECT_EQ(calib::Artifact::Open(path_, "", {"cuda:1", 0}).status().code(), Code::kResource);
  EXPECT_EQ(calib::Artifact::Open(path_, "", {"cuda", 100}).status().code(), Code::kResource);   // no room for the weights
  const auto artifact = OpenIn({"auto", 0});
  ASSERT_TRUE(artifact);
  EXPECT_EQ(artifact->info().device, "emulator");
  EXPECT_EQ(artifact->info().fallback, "");
}

TEST_F(OnAPlace, ServingGivesTheTokensOfTheCpu) {
  std::vector<std::vector<int32_t>> ids[2];
  for (const bool device : {false, true}) {
    load::SteadyClock clock;
    auto engine = load::BatchEngine::Open({.artifact = path_, .place = {device ? "cuda" : "", 0}, .threads = 1, .sequences = 2, .capacity = 64}, clock);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    ids[device].resize(3);
    for (size_t i = 0; i < 3; ++i)
      (*engine)->Submit({.id = static_cast<int64_t>(i), .prompt = RandomTokens(4 + 20 * i, 61, static_cast<uint32_t>(i)), .output_tokens = 5}, [&, i](load::Outcome o) {
        EXPECT_EQ(o.error, "");
        ids[device][i] = o.ids;
      });
    (*engine)->Drain();
  }
  EXPECT_EQ(ids[0], ids[1]);
}

TEST_F(OnAPlace, TheGateComparesTheDeviceWithTheCpusKernels) {
  const auto artifact = OpenIn({"cuda", 0});
  ASSERT_TRUE(artifact);
  calib::Chunks chunks{.context = 24, .count = 2, .first_scored = 12, .tokens = RandomTokens(48, 61, 9), .document = {0, 1}};
  const auto checks = gate::CandidateNoise(*artifact, chunks, {.candidate = path_, .threads = 1});
  ASSERT_TRUE(checks.ok()) << checks.status().message();
  std::vector<std::string> names;
  for (const gate::NoiseCheck& c : *checks) {
    EXPECT_EQ(c.largest_difference, 0) << c.name;
    EXPECT_GT(c.tokens, 0) << c.name;
    names.push_back(c.name);
  }
  EXPECT_THAT(names, Contains("candidate, the CPU's kernels of scalar"));
  EXPECT_THAT(names, Contains(StrCat("candidate, the CPU's kernels of ", artifact->info().isa)));   // the best one too
}

}  // namespace
}  // namespace hasten::testing
