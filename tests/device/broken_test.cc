// A device that fails: every later call of its context fails with the reason, nothing of
// the sequences is lost, and another context of the same model works.
#include "tests/device/emulated_device.h"
#include "tests/engine/engine_fixture.h"

namespace hasten::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(EngineTest, AContextWhoseDeviceFailedIsDeadAndAnotherWorks) {
  const auto model = Open({}, {.device = OpenEmulatedDevice()});
  auto context = MakeContext(model);
  const auto tokens = RandomTokens(9, 97, 1);
  const SequenceId id = context->CreateSequence();
  const EvalItem item{id, tokens, {}, Want::kLast};
  ASSERT_TRUE(context->Evaluate({&item, 1}).ok());
  BreakNextUpload();
  for (int again = 0; again < 2; ++again) {
    const Status s = context->Evaluate({&item, 1});
    EXPECT_EQ(s.code(), Code::kResource);
    EXPECT_THAT(s.message(), HasSubstr("the device failed in a copy"));
    EXPECT_EQ(*context->SequenceLength(id), 9);
  }
  std::vector<std::byte> state(*context->SavedBytes(id));
  EXPECT_EQ(context->SaveKv(id, state).code(), Code::kResource);
  EXPECT_EQ(EvalAll(*MakeContext(model), tokens).size(), tokens.size());
}

}  // namespace
}  // namespace hasten::testing
