// The policies that we hand out are correct, survive the way to JSON, and compile.

#include <gtest/gtest.h>

#include <filesystem>

#include "control/compile/compiler.h"
#include "control/policy/policy_json.h"
#include "control/policy/quotas.h"
#include "tests/control/policy_sample.h"

namespace sluice {
namespace {

std::vector<std::string> example_paths() {
  const std::filesystem::path configs = std::filesystem::path(SLUICE_SOURCE_ROOT) / "configs";
  std::vector<std::string> paths = {(configs / "quickstart-policy.toml").string()};
  for (const auto& entry : std::filesystem::directory_iterator(configs / "policies")) {
    if (entry.path().extension() == ".toml") paths.push_back(entry.path().string());
  }
  return paths;
}

TEST(PolicyExamples, are_there) { EXPECT_GE(example_paths().size(), 4u); }

TEST(PolicyExamples, have_no_finding_and_keep_within_the_quotas_of_aws) {
  for (const std::string& path : example_paths()) {
    const LoadedPolicy loaded = load_policy_file(path);
    EXPECT_EQ(messages_of(loaded), "");
    ASSERT_TRUE(loaded.policy) << path;
    EXPECT_TRUE(aws_quota_findings(*loaded.policy, path).empty()) << path;
  }
}

TEST(PolicyExamples, survive_the_way_to_json_and_compile) {
  for (const std::string& path : example_paths()) {
    const LoadedPolicy loaded = load_policy_file(path);
    ASSERT_TRUE(loaded.policy) << path;
    const std::string text = policy_to_json_text(*loaded.policy);
    const LoadedPolicy again = load_policy_json(text, path);
    ASSERT_TRUE(again.policy) << messages_of(again);
    EXPECT_EQ(policy_to_json_text(*again.policy), text) << path;
    Registry registry;
    EXPECT_TRUE(compile(*again.policy, registry, Generation(1))) << path;
  }
}

}  // namespace
}  // namespace sluice
