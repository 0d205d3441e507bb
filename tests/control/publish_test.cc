#include "control/publish.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/control/control_room.h"

namespace sluice {
namespace {

std::string without(std::string text, std::string_view part) {
  const std::size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos);
  return text.erase(at, part.size());
}

class Publishing : public ControlRoom {
 protected:
  std::string state_file() const { return folder.file("state/policy.state"); }
};

TEST_F(Publishing, enforces_a_policy_and_counts_generations) {
  const ApplyOutcome first = apply(kWebPolicy);
  ASSERT_FALSE(first.error) << first.error->sentence;
  EXPECT_EQ(first.generation, Generation(1));
  EXPECT_EQ(first.former, Generation(0));
  ASSERT_NE(engine.published(), nullptr);
  EXPECT_EQ(engine.published()->generation(), Generation(1));
  EXPECT_EQ(engine.published()->interface_count(), 2u);
  EXPECT_EQ(apply(kWebPolicy).generation, Generation(2));
  EXPECT_EQ(engine.published()->generation(), Generation(2));
}

TEST_F(Publishing, changes_nothing_when_the_document_is_wrong) {  // NA-14
  ASSERT_FALSE(apply(kWebPolicy).error);
  const auto before = engine.published();
  const std::string kept_before = read_text(state_file());
  const ApplyOutcome outcome = apply("[[vpc]]\nid = 3\n[[subnet]]\nid = 4\n");
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind, ErrorKind::Invalid);
  EXPECT_GE(outcome.findings.size(), 2u);
  EXPECT_EQ(outcome.generation, Generation(1));
  EXPECT_EQ(engine.published(), before);
  EXPECT_EQ(engine.publish_count, 1);
  EXPECT_EQ(read_text(state_file()), kept_before);
}

TEST_F(Publishing, refuses_when_somebody_else_came_in_between) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  ApplyRequest request;
  request.document = kWebPolicy;
  request.expected = Generation(7);
  const ApplyOutcome outcome = publisher->apply(request);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind, ErrorKind::Conflict);
  EXPECT_EQ(engine.publish_count, 1);
  request.expected = Generation(1);
  EXPECT_FALSE(publisher->apply(request).error);
}

TEST_F(Publishing, changes_nothing_when_the_engine_refuses) {  // NA-14
  ASSERT_FALSE(apply(kWebPolicy).error);
  const std::string kept_before = read_text(state_file());
  engine.publish_error = Error{ErrorKind::LimitExceeded, "no-room", "no room", ""};
  const ApplyOutcome outcome = apply(kWebPolicy);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, "no-room");
  EXPECT_EQ(publisher->generation(), Generation(1));
  EXPECT_EQ(read_text(state_file()), kept_before);
  EXPECT_FALSE(std::filesystem::exists(state_file() + ".next"));
}

TEST_F(Publishing, counts_a_policy_that_is_late_as_in_force_and_says_so) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  engine.publish_error = Error{ErrorKind::TimedOut, "late", "worker 1 is late", ""};
  const ApplyOutcome outcome = apply(kWebPolicy);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind, ErrorKind::TimedOut);
  EXPECT_EQ(outcome.generation, Generation(2));
  EXPECT_NE(read_text(state_file()).find("\"generation\":2"), std::string::npos);
}

TEST_F(Publishing, tells_of_each_policy_before_it_is_published_and_takes_back) {
  std::vector<std::string> told;
  PublishOptions options;
  options.on_policy = [&](const Policy& policy) {
    told.push_back(std::to_string(policy.interfaces.size()) + "@" +
                   std::to_string(engine.publish_count));
  };
  Publisher own(engine, registry, options);
  engine.publish_error = Error{ErrorKind::Failed, "broken", "broken", ""};
  ASSERT_TRUE(own.apply({std::string(kWebPolicy), "a", {}, "", 0, {}}).error);
  EXPECT_EQ(told, (std::vector<std::string>{"2@0", "0@1"}));
  told.clear();
  engine.publish_error.reset();
  ASSERT_FALSE(own.apply({std::string(kWebPolicy), "a", {}, "", 0, {}}).error);
  engine.publish_error = Error{ErrorKind::Failed, "broken", "broken", ""};
  const std::string text(kWebPolicy);
  const std::string one = text.substr(0, text.find("[[interface]]\nid = \"eni-admin\""));
  ASSERT_TRUE(own.apply({one, "b", {}, "", 0, {}}).error);
  EXPECT_EQ(told, (std::vector<std::string>{"2@1", "1@2", "2@3"}));
}

TEST_F(Publishing, keeps_nothing_enforced_that_cannot_be_kept) {
  folder.write("state", "a file where the directory should be");
  const ApplyOutcome outcome = apply(kWebPolicy);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, "state-unwritable");
  EXPECT_EQ(engine.publish_count, 0);
  EXPECT_EQ(publisher->active(), nullptr);
}

TEST_F(Publishing, changes_nothing_when_the_disk_takes_only_a_part) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  const std::string kept_before = read_text(state_file());
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  const auto former_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100, former.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const ApplyOutcome outcome = apply(kWebPolicy);
  ::setrlimit(RLIMIT_FSIZE, &former);
  std::signal(SIGXFSZ, former_handler);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, "state-unwritable");
  EXPECT_EQ(engine.publish_count, 1);
  EXPECT_EQ(read_text(state_file()), kept_before);
  EXPECT_FALSE(std::filesystem::exists(state_file() + ".next"));
}

// The address of eni-web once more, in a VPC of its own.
constexpr std::string_view kSecondVpc = R"(
[[vpc]]
id = "vpc-b"
cidrs = ["10.0.0.0/16"]
[[subnet]]
id = "subnet-b"
vpc = "vpc-b"
cidrs = ["10.0.1.0/24"]
[[interface]]
id = "eni-b"
subnet = "subnet-b"
mac = "02:00:00:00:02:10"
addresses = ["10.0.1.10"]
security_groups = []
)";

TEST_F(Publishing, refuses_shared_addresses_where_a_wire_has_two_ends) {
  const std::string text = std::string(kWebPolicy) + std::string(kSecondVpc);
  EXPECT_FALSE(apply(text).error);
  NicStatus wire;
  wire.id = "in-1";
  wire.role = NicRole::Inside;
  engine.shown_nics.push_back(wire);
  const ApplyOutcome outcome = apply(text);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, "shared-address");
  for (const char* part :
       {"'eni-web' at policy.toml:42:14", "'eni-b' at policy.toml:63:14", "10.0.1.10", "'in-1'"}) {
    EXPECT_NE(outcome.error->sentence.find(part), std::string::npos) << outcome.error->sentence;
  }
}

TEST_F(Publishing, refuses_an_access_port_whose_interface_has_no_mac) {
  const std::string text = without(std::string(kWebPolicy), "mac = \"02:00:00:00:01:10\"\n");
  EXPECT_FALSE(apply(text).error);
  NicStatus access;
  access.id = "web-1";
  access.role = NicRole::Interface;
  access.interface = *registry.interfaces.find("eni-web");
  engine.shown_nics.push_back(access);
  const ApplyOutcome outcome = apply(text);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind, ErrorKind::Invalid);
  EXPECT_EQ(outcome.error->code, "missing-mac");
  EXPECT_EQ(outcome.error->where, "policy.toml:39:6");
  for (const char* part : {"'eni-web'", "'web-1'"}) {
    EXPECT_NE(outcome.error->sentence.find(part), std::string::npos) << outcome.error->sentence;
  }
  EXPECT_FALSE(apply(kWebPolicy).error);
}

TEST_F(Publishing, refuses_shared_addresses_of_two_vpcs_behind_one_uplink) {
  const std::string text = std::string(kWebPolicy) + std::string(kSecondVpc);
  NicStatus uplink;
  uplink.id = "up-1";
  uplink.role = NicRole::Uplink;
  uplink.vpcs = {registry.vpcs.intern("vpc-a")};
  engine.shown_nics.push_back(uplink);
  EXPECT_FALSE(apply(text).error);
  engine.shown_nics[0].vpcs.push_back(registry.vpcs.intern("vpc-b"));
  const ApplyOutcome outcome = apply(text);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind, ErrorKind::Invalid);
  EXPECT_EQ(outcome.error->code, "shared-address");
  for (const char* part :
       {"'eni-web' at policy.toml:42:14", "'eni-b' at policy.toml:63:14", "10.0.1.10", "'up-1'"}) {
    EXPECT_NE(outcome.error->sentence.find(part), std::string::npos) << part;
  }
  EXPECT_FALSE(apply(kWebPolicy).error);
}

TEST_F(Publishing, refuses_more_interfaces_than_there_is_room_for_and_numbers_none) {
  PublishOptions options;
  options.interface_capacity = 1;
  Publisher small(engine, registry, options);
  const ApplyOutcome outcome = small.apply({std::string(kWebPolicy), "a", {}, "", 0, {}});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind, ErrorKind::LimitExceeded);
  EXPECT_NE(outcome.error->sentence.find("2 interfaces"), std::string::npos);
  EXPECT_NE(outcome.error->sentence.find("the 1 of interface_capacity"), std::string::npos);
  EXPECT_EQ(registry.interfaces.size(), 0u);
  EXPECT_EQ(registry.rules.size(), 0u);
  const std::string text(kWebPolicy);
  const std::string one = text.substr(0, text.find("[[interface]]\nid = \"eni-admin\""));
  EXPECT_FALSE(small.apply({one, "b", {}, "", 0, {}}).error);
}

TEST_F(Publishing, enforces_the_kept_policy_again_after_a_restart) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  ASSERT_FALSE(apply(kWebPolicy).error);
  engine.publish_count = 0;
  restart_publisher();
  EXPECT_EQ(publisher->active(), nullptr);
  const ApplyOutcome outcome = publisher->restore();
  ASSERT_FALSE(outcome.error) << outcome.error->sentence;
  EXPECT_EQ(outcome.generation, Generation(2));
  EXPECT_EQ(engine.publish_count, 1);
  EXPECT_EQ(publisher->active()->kept.document, kWebPolicy);
  EXPECT_EQ(apply(kWebPolicy).generation, Generation(3));
}

TEST_F(Publishing, restores_nothing_where_nothing_was_kept) {
  const ApplyOutcome outcome = publisher->restore();
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(outcome.generation, Generation(0));
  EXPECT_EQ(engine.publish_count, 0);
}

// Each of these is a file that a crash, a disk or a person may leave.
TEST_F(Publishing, enforces_nothing_of_a_state_file_that_is_broken) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  const std::string whole = read_text(state_file());
  std::vector<std::string> broken = {"",
                                     "sluice-state 1 sha256 ",
                                     whole.substr(0, 40),
                                     whole.substr(0, whole.size() / 2),
                                     whole.substr(0, whole.size() - 1),
                                     whole + " ",
                                     "x" + whole};
  std::string flipped = whole;
  flipped[whole.size() - 30] = static_cast<char>(flipped[whole.size() - 30] ^ 1);
  broken.push_back(flipped);
  for (const std::string& text : broken) {
    folder.write("state/policy.state", text);
    engine.publish_count = 0;
    restart_publisher();
    const ApplyOutcome outcome = publisher->restore();
    ASSERT_TRUE(outcome.error) << text.size();
    EXPECT_EQ(outcome.error->code, "state-corrupt");
    EXPECT_NE(outcome.error->sentence.find(state_file()), std::string::npos);
    EXPECT_EQ(engine.publish_count, 0);
    EXPECT_FALSE(std::filesystem::exists(state_file()));
    EXPECT_EQ(read_text(state_file() + ".broken"), text);
    EXPECT_FALSE(apply(kWebPolicy).error);
  }
}

TEST_F(Publishing, puts_a_kept_policy_aside_that_no_longer_passes_the_check) {
  StateDirectory state(folder.file("state"));
  KeptPolicy kept;
  kept.generation = Generation(5);
  kept.document = "[[vpc]]\nid = 3\n";
  kept.file = "old.toml";
  ASSERT_TRUE(state.prepare(kept));
  ASSERT_TRUE(state.commit());
  const ApplyOutcome outcome = publisher->restore();
  ASSERT_TRUE(outcome.error);
  EXPECT_FALSE(outcome.findings.empty());
  EXPECT_EQ(engine.publish_count, 0);
  EXPECT_TRUE(std::filesystem::exists(state_file() + ".broken"));
}

TEST_F(Publishing, leaves_a_kept_policy_alone_that_does_not_suit_the_ports_of_today) {
  ASSERT_FALSE(apply(std::string(kWebPolicy) + std::string(kSecondVpc)).error);
  const std::string kept = read_text(state_file());
  NicStatus wire;
  wire.id = "in-1";
  wire.role = NicRole::Inside;
  engine.shown_nics.push_back(wire);
  restart_publisher();
  const ApplyOutcome outcome = publisher->restore();
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(publisher->active(), nullptr);
  EXPECT_EQ(read_text(state_file()), kept);
  EXPECT_NE(outcome.error->sentence.find("stays in " + state_file()), std::string::npos);
  engine.shown_nics.clear();
  EXPECT_FALSE(publisher->restore().error);
}

TEST_F(Publishing, ignores_what_an_apply_left_that_did_not_end) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  folder.write("state/policy.state.next", "half of a pol");
  restart_publisher();
  const ApplyOutcome outcome = publisher->restore();
  ASSERT_FALSE(outcome.error);
  EXPECT_EQ(outcome.generation, Generation(1));
  EXPECT_FALSE(std::filesystem::exists(state_file() + ".next"));
}

TEST_F(Publishing, has_the_new_policy_on_disk_before_it_is_enforced) {
  std::string next;
  engine.on_publish = [&] { next = read_text(state_file() + ".next"); };
  ASSERT_FALSE(apply(kWebPolicy).error);
  EXPECT_NE(next.find(kWebPolicy), std::string::npos);
  EXPECT_EQ(read_text(state_file()), next);
}

TEST_F(Publishing, remembers_who_applied_what_and_why) {
  ApplyRequest request;
  request.document = kWebPolicy;
  request.file = "web.toml";
  request.comment = "line one\nline two";
  request.author_uid = 1'234;
  ASSERT_FALSE(publisher->apply(request).error);
  restart_publisher();
  ASSERT_FALSE(publisher->restore().error);
  const KeptPolicy& kept = publisher->active()->kept;
  EXPECT_EQ(kept.comment, request.comment);
  EXPECT_EQ(kept.author_uid, 1'234u);
  EXPECT_EQ(kept.file, "web.toml");
  EXPECT_GT(kept.applied_unix_s, 1'600'000'000u);
}

TEST_F(Publishing, lets_only_the_owner_read_what_is_kept) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  struct stat facts {};
  ASSERT_EQ(::stat(state_file().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat(folder.file("state").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
}

TEST_F(Publishing, gives_no_numbers_for_a_policy_that_it_refuses) {
  NicStatus wire;
  wire.id = "in-1";
  wire.role = NicRole::Inside;
  engine.shown_nics.push_back(wire);
  const std::size_t before = registry.interfaces.size();
  ASSERT_TRUE(apply(std::string(kWebPolicy) + std::string(kSecondVpc)).error);
  EXPECT_EQ(registry.interfaces.size(), before);
  EXPECT_FALSE(registry.groups.find("sg-web"));
  ASSERT_FALSE(apply(kWebPolicy).error);
  EXPECT_EQ(registry.interfaces.size(), before + 2);
}

TEST_F(Publishing, takes_json_as_well_as_toml) {
  const ApplyOutcome outcome = apply(R"({"vpc":[{"id":"vpc-a","cidrs":["10.0.0.0/16"]}]})");
  EXPECT_FALSE(outcome.error) << outcome.error->sentence;
}

TEST_F(Publishing, judges_live_connections_by_the_mode_asked_for) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  const std::string text = without(
      std::string(kWebPolicy),
      "  { protocol = \"tcp\", ports = 443, source = \"0.0.0.0/0\", description = \"HTTPS\" },\n");
  const EniIndex web = *registry.interfaces.find("eni-web");
  const EniIndex admin = *registry.interfaces.find("eni-admin");
  ASSERT_FALSE(publisher->apply({text, "a", ExistingMode::Flush, "", 0, {}}).error);
  EXPECT_EQ(engine.published()->find_interface(web)->flush_before, Generation(2));
  EXPECT_EQ(engine.published()->find_interface(admin)->flush_before, Generation(0));
  ASSERT_FALSE(
      publisher->apply({std::string(kWebPolicy), "b", ExistingMode::Reevaluate, "", 0, {}}).error);
  EXPECT_EQ(engine.published()->find_interface(web)->rejudge_before, Generation(3));
}

}  // namespace
}  // namespace sluice
