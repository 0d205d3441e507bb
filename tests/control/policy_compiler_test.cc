#include <gtest/gtest.h>

#include "control/compile/compiler.h"
#include "lookup/decide.h"
#include "lookup/snapshot_builder.h"
#include "tests/control/policy_sample.h"

namespace sluice {
namespace {

Policy shop() {
  LoadedPolicy loaded = load_policy_text(kShopPolicy, "shop.toml");
  EXPECT_TRUE(loaded.policy) << messages_of(loaded);
  return *std::move(loaded.policy);
}

const InterfaceInput& find_interface(const SnapshotInput& input, const Registry& registry,
                                     std::string_view id) {
  for (const InterfaceInput& eni : input.interfaces) {
    if (registry.interfaces.name_of(eni.index) == id) return eni;
  }
  ADD_FAILURE() << "no interface " << id;
  return input.interfaces.front();
}

const GroupInput& find_group(const SnapshotInput& input, const Registry& registry,
                             std::string_view id) {
  for (const GroupInput& group : input.groups) {
    if (registry.groups.name_of(group.index) == id) return group;
  }
  ADD_FAILURE() << "no group " << id;
  return input.groups.front();
}

class CompiledShop : public testing::Test {
 protected:
  void SetUp() override {
    Result<SnapshotInput> result = compile(shop(), registry_, Generation(7));
    ASSERT_TRUE(result) << result.error().sentence;
    input_ = *std::move(result);
  }
  Registry registry_;
  SnapshotInput input_;
};

TEST_F(CompiledShop, has_its_generation_and_settings) {
  EXPECT_EQ(input_.generation, Generation(7));
  EXPECT_EQ(input_.tracking.mode, TcpMode::Strict);
  EXPECT_EQ(input_.tracking.time_wait_s, 20u);
  EXPECT_EQ(input_.exempt, ExemptProfile::Aws);
}

TEST_F(CompiledShop, has_its_network_by_number) {
  ASSERT_EQ(input_.vpcs.size(), 2u);
  EXPECT_EQ(registry_.vpcs.name_of(input_.vpcs[0].index), "vpc-shop");
  EXPECT_EQ(input_.vpcs[0].peers, std::vector<VpcIndex>{input_.vpcs[1].index});
  EXPECT_EQ(input_.vpcs[1].peers, std::vector<VpcIndex>{input_.vpcs[0].index});
  EXPECT_EQ(input_.vpcs[0].cidrs.size(), 2u);
  ASSERT_EQ(input_.subnets.size(), 2u);
  EXPECT_EQ(input_.subnets[0].vpc, input_.vpcs[0].index);
  EXPECT_EQ(registry_.acls.name_of(input_.subnets[0].acl), "acl-front");
  EXPECT_TRUE(input_.subnets[1].acl.is_none());
}

TEST_F(CompiledShop, has_its_rules_by_number) {  // SG-16
  const GroupInput& web = find_group(input_, registry_, "sg-web");
  ASSERT_EQ(web.rules.size(), 5u);
  EXPECT_EQ(web.rules[0].id, "sgr-04cb58c6a96c73fa3");
  EXPECT_EQ(registry_.rules.name_of(web.rules[0].index), "sgr-04cb58c6a96c73fa3");
  EXPECT_EQ(web.rules[0].proto.number, 6);
  EXPECT_EQ(web.rules[0].ports.high, 443);
  EXPECT_EQ(std::get<Cidr>(web.rules[0].peer).to_string(), "0.0.0.0/0");
  EXPECT_EQ(registry_.groups.name_of(std::get<GroupIndex>(web.rules[1].peer)), "sg-lb");
  EXPECT_EQ(registry_.prefix_lists.name_of(std::get<PrefixListIndex>(web.rules[2].peer)),
            "pl-office");
  EXPECT_EQ(web.rules[3].direction, Direction::Egress);
  EXPECT_EQ(web.rules[4].proto.number, ProtoMatch::kAll);
}

TEST_F(CompiledShop, has_its_lists_and_acls) {  // NA-9
  ASSERT_EQ(input_.prefix_lists.size(), 1u);
  EXPECT_EQ(input_.prefix_lists[0].entries.at(0).to_string(), "203.0.113.0/24");
  ASSERT_EQ(input_.acls.size(), 1u);
  EXPECT_EQ(input_.acls[0].ingress.at(0).rule, 100u);
  EXPECT_TRUE(input_.acls[0].ingress[0].allow);
  EXPECT_FALSE(input_.acls[0].egress.at(0).allow);
}

TEST_F(CompiledShop, has_its_interfaces) {
  const InterfaceInput& web = find_interface(input_, registry_, "eni-web1");
  EXPECT_EQ(web.mac.to_string(), "02:00:00:00:01:10");
  EXPECT_EQ(web.addresses.size(), 2u);
  EXPECT_EQ(web.groups.size(), 2u);
  EXPECT_EQ(web.tracking.udp_s, 35u);
  EXPECT_EQ(web.vpc, input_.vpcs[0].index);
  EXPECT_EQ(web.subnet, input_.subnets[0].index);
  EXPECT_EQ(web.rejudge_before, Generation(0));
  EXPECT_EQ(web.flush_before, Generation(0));
  const InterfaceInput& db = find_interface(input_, registry_, "eni-db1");
  EXPECT_EQ(registry_.groups.name_of(db.groups.at(0)), "sg-default-shop");
}

TEST(Compiler, marks_the_interfaces_that_a_flow_log_covers) {  // FL-23
  const std::string enis =
      "[[subnet]]\nid='subnet-c'\nvpc='vpc-a'\ncidrs=['10.0.3.0/24']\n"
      "[[interface]]\nid='eni-2'\nsubnet='subnet-a'\naddresses=['10.0.1.2']\n"
      "[[interface]]\nid='eni-3'\nsubnet='subnet-c'\naddresses=['10.0.3.3']\n"
      "[[interface]]\nid='eni-4'\nsubnet='subnet-b'\naddresses=['10.0.1.4']\n";
  const auto logged = [&](const std::string& resource) {
    const LoadedPolicy loaded = load_with_base("[[flow_log]]\nid='fl'\nresource='" + resource +
                                               "'\ndestination='file:/a'\n" + enis);
    EXPECT_TRUE(loaded.policy) << messages_of(loaded);
    Registry registry;
    const Result<SnapshotInput> input = compile(*loaded.policy, registry, Generation(1));
    std::string names;
    for (const InterfaceInput& eni : input->interfaces) {
      if (eni.logged) names += registry.interfaces.name_of(eni.index) + " ";
    }
    return names;
  };
  EXPECT_EQ(logged("vpc-a"), "eni-2 eni-3 eni-a ");
  EXPECT_EQ(logged("subnet-a"), "eni-2 eni-a ");
  EXPECT_EQ(logged("eni-4"), "eni-4 ");
}

// What the policy says of TCP port 80 from one address to eni-web.
bool passes(const PolicySnapshot& snapshot, EniIndex eni, const char* source,
            const char* destination) {
  Question question;
  question.eni = eni;
  question.direction = Direction::Ingress;
  question.proto = Proto::Tcp;
  question.source_port = 40'000;
  question.port = 80;
  question.remote = *IpAddr::parse(source);
  question.local = *IpAddr::parse(destination);
  return decide(snapshot, question).verdict == Verdict::Accept;
}

TEST(DefaultGroup, lets_its_members_talk_to_each_other_and_to_nobody_else) {  // SG-5, SG-26
  const LoadedPolicy loaded = load_with_base(
      "[[interface]]\nid='eni-1'\nsubnet='subnet-a'\naddresses=['10.0.1.1','fd00::1']\n"
      "[[interface]]\nid='eni-2'\nsubnet='subnet-a'\naddresses=['10.0.1.2','fd00::2']\n"
      "[[interface]]\nid='eni-b'\nsubnet='subnet-b'\naddresses=['10.0.1.3']\n");
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  Registry registry;
  const Result<SnapshotInput> input = compile(*loaded.policy, registry, Generation(1));
  ASSERT_TRUE(input);
  const auto snapshot = *build_snapshot(*input);
  const EniIndex first = find_interface(*input, registry, "eni-1").index;
  EXPECT_TRUE(passes(*snapshot, first, "10.0.1.2", "10.0.1.1"));
  EXPECT_TRUE(passes(*snapshot, first, "fd00::2", "fd00::1"));
  EXPECT_FALSE(passes(*snapshot, first, "10.0.1.10", "10.0.1.1")) << "eni-a holds sg-a alone";
  EXPECT_FALSE(passes(*snapshot, first, "10.0.1.3", "10.0.1.1")) << "another VPC's default group";
  EXPECT_FALSE(passes(*snapshot, first, "192.0.2.1", "10.0.1.1"));
}

TEST(Compiler, keeps_numbers_across_policies_and_never_gives_one_twice) {
  Registry registry;
  const Result<SnapshotInput> first = compile(shop(), registry, Generation(1));
  Policy smaller = shop();
  smaller.interfaces.erase(smaller.interfaces.begin());
  const Result<SnapshotInput> second = compile(smaller, registry, Generation(2));
  EXPECT_EQ(find_interface(*second, registry, "eni-db1").index,
            find_interface(*first, registry, "eni-db1").index);
  EXPECT_EQ(find_group(*second, registry, "sg-web").rules[0].index,
            find_group(*first, registry, "sg-web").rules[0].index);
}

TEST(Compiler, says_which_name_does_not_exist) {
  Policy policy = shop();
  policy.interfaces[0].security_groups[0].id = "sg-gone";
  Registry registry;
  const Result<SnapshotInput> result = compile(policy, registry, Generation(1));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::Invalid);
  EXPECT_EQ(result.error().code, "unknown-name");
  EXPECT_EQ(result.error().sentence, "eni-web1: there is no \"sg-gone\"");
}

TEST(Compiler, finds_every_kind_of_broken_reference) {  // SG-8
  const std::vector<void (*)(Policy&)> breakages = {
      [](Policy& policy) { policy.subnets[0].vpc = "gone"; },
      [](Policy& policy) { policy.subnets[0].network_acl->id = "gone"; },
      [](Policy& policy) { policy.interfaces[0].subnet = "gone"; },
      [](Policy& policy) { policy.interfaces[0].security_groups[1].id = "gone"; },
      [](Policy& policy) { policy.groups[0].vpc = "gone"; },
      [](Policy& policy) { policy.groups[0].ingress[1].peer = GroupName{"gone"}; },
      [](Policy& policy) { policy.groups[0].ingress[2].peer = PrefixListName{"gone"}; },
      [](Policy& policy) { policy.peerings[0].second.id = "gone"; },
  };
  for (std::size_t i = 0; i < breakages.size(); ++i) {
    Policy policy = shop();
    breakages[i](policy);
    Registry registry;
    const Result<SnapshotInput> result = compile(policy, registry, Generation(1));
    ASSERT_FALSE(result) << i;
    EXPECT_NE(result.error().sentence.find("\"gone\""), std::string::npos) << i;
  }
}

// One policy after another, and the stamps of eni-web1 and eni-db1 in the second one.
struct Stamps {
  std::uint32_t web_rejudge, web_flush, db_rejudge, db_flush;
  bool operator==(const Stamps&) const = default;
};

Stamps stamps_after(ExistingMode mode, void (*change)(Policy&), Policy policy = shop()) {
  Registry registry;
  Result<SnapshotInput> former = compile(policy, registry, Generation(4));
  // What earlier changes left behind.
  for (InterfaceInput& eni : former->interfaces) {
    eni.rejudge_before = Generation(2);
    eni.flush_before = Generation(3);
  }
  change(policy);
  const Result<SnapshotInput> next = compile_after(*former, mode, policy, registry, Generation(5));
  EXPECT_TRUE(next);
  const InterfaceInput& web = find_interface(*next, registry, "eni-web1");
  const InterfaceInput& db = find_interface(*next, registry, "eni-db1");
  return {web.rejudge_before.value(), web.flush_before.value(), db.rejudge_before.value(),
          db.flush_before.value()};
}

constexpr Stamps kKept = {2, 3, 2, 3};

TEST(ExistingConnections, keep_their_stamps_where_nothing_changed) {
  const auto nothing = [](Policy&) {};
  EXPECT_EQ(stamps_after(ExistingMode::Keep, nothing), kKept);
  EXPECT_EQ(stamps_after(ExistingMode::Reevaluate, nothing), kKept);
  EXPECT_EQ(stamps_after(ExistingMode::Flush, nothing), kKept);
}

TEST(ExistingConnections, keep_their_stamps_when_told_to_keep) {
  EXPECT_EQ(
      stamps_after(ExistingMode::Keep, [](Policy& policy) { policy.groups[0].ingress.pop_back(); }),
      kKept);
}

TEST(ExistingConnections, of_interfaces_whose_rules_changed_are_judged_again) {
  EXPECT_EQ(stamps_after(ExistingMode::Reevaluate,
                         [](Policy& policy) { policy.groups[0].ingress.pop_back(); }),
            (Stamps{5, 3, 2, 3}));
}

TEST(ExistingConnections, of_interfaces_whose_rules_changed_are_flushed) {
  EXPECT_EQ(stamps_after(ExistingMode::Flush,
                         [](Policy& policy) { policy.groups[0].ingress.pop_back(); }),
            (Stamps{2, 5, 2, 3}));
}

TEST(ExistingConnections, change_with_the_entries_of_a_list_that_a_rule_names) {  // PL-2
  EXPECT_EQ(stamps_after(ExistingMode::Reevaluate,
                         [](Policy& policy) { policy.prefix_lists[0].entries.clear(); }),
            (Stamps{5, 3, 2, 3}));
}

TEST(ExistingConnections, change_with_the_members_of_a_group_that_a_rule_names) {
  // eni-db1 joins sg-lb, which a rule of sg-web names (SG-27); sg-lb has no rules of its own.
  EXPECT_EQ(stamps_after(ExistingMode::Reevaluate,
                         [](Policy& policy) {
                           policy.interfaces[1].security_groups.push_back({"sg-lb", {}});
                         }),
            (Stamps{5, 3, 2, 3}));
}

TEST(ExistingConnections, change_with_the_addresses_of_a_member) {  // SG-27
  const auto add_address = [](Policy& policy) {
    policy.interfaces[1].addresses.push_back({*IpAddr::parse("10.0.2.11"), {}});
  };
  EXPECT_EQ(stamps_after(ExistingMode::Reevaluate, add_address).web_rejudge, 2u);
  Policy policy = shop();
  policy.interfaces[1].security_groups.push_back({"sg-lb", {}});  // which a rule of sg-web names
  EXPECT_EQ(stamps_after(ExistingMode::Reevaluate, add_address, policy).web_rejudge, 5u);
}

TEST(ExistingConnections, change_with_the_groups_of_the_interface) {
  EXPECT_EQ(stamps_after(ExistingMode::Flush,
                         [](Policy& policy) { policy.interfaces[1].security_groups.clear(); }),
            (Stamps{2, 3, 2, 5}));
}

TEST(ExistingConnections, change_with_the_acl_of_the_subnet) {
  EXPECT_EQ(stamps_after(ExistingMode::Flush,
                         [](Policy& policy) { policy.acls[0].egress[0].allow = true; }),
            (Stamps{2, 5, 2, 3}));
  EXPECT_EQ(stamps_after(ExistingMode::Flush,
                         [](Policy& policy) { policy.subnets[0].network_acl.reset(); }),
            (Stamps{2, 5, 2, 3}));
}

TEST(ExistingConnections, change_with_the_blocks_and_peerings_of_the_vpc) {
  const Stamps both{5, 3, 5, 3};
  EXPECT_EQ(stamps_after(ExistingMode::Reevaluate,
                         [](Policy& policy) {
                           policy.vpcs[0].cidrs.push_back({*Cidr::parse("192.168.0.0/16"), {}});
                         }),
            both);
  EXPECT_EQ(stamps_after(ExistingMode::Reevaluate, [](Policy& policy) { policy.peerings.clear(); }),
            both);
  // Another VPC's blocks say nothing of the packets of an interface.
  EXPECT_EQ(stamps_after(ExistingMode::Reevaluate,
                         [](Policy& policy) {
                           policy.vpcs[1].cidrs.push_back({*Cidr::parse("192.168.0.0/16"), {}});
                         }),
            kKept);
}

TEST(ExistingConnections, change_with_the_exempt_profile) {
  EXPECT_EQ(stamps_after(ExistingMode::Flush,
                         [](Policy& policy) { policy.exempt = ExemptProfile::None; }),
            (Stamps{2, 5, 2, 5}));
}

TEST(ExistingConnections, do_not_change_with_descriptions_order_or_timers) {
  EXPECT_EQ(stamps_after(ExistingMode::Flush,
                         [](Policy& policy) {
                           std::swap(policy.groups[0].ingress[0], policy.groups[0].ingress[2]);
                           std::swap(policy.groups[0], policy.groups[2]);
                           std::swap(policy.interfaces[0].security_groups[0],
                                     policy.interfaces[0].security_groups[1]);
                           policy.groups[0].description = "other";
                           policy.interfaces[0].tracking.udp_s = 60;
                         }),
            kKept);
}

TEST(ExistingConnections, of_an_interface_that_comes_back_are_forgotten) {
  Registry registry;
  Policy without = shop();
  without.interfaces.erase(without.interfaces.begin());
  const Result<SnapshotInput> former = compile(without, registry, Generation(4));
  const Result<SnapshotInput> next =
      compile_after(*former, ExistingMode::Keep, shop(), registry, Generation(5));
  ASSERT_TRUE(next);
  EXPECT_EQ(find_interface(*next, registry, "eni-web1").flush_before, Generation(5));
  EXPECT_EQ(find_interface(*next, registry, "eni-db1").flush_before, Generation(0));
}

}  // namespace
}  // namespace sluice
