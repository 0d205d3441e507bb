#include "control/policy/load.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "tests/control/policy_sample.h"

namespace sluice {
namespace {

class ShopPolicy : public testing::Test {
 protected:
  void SetUp() override {
    loaded_ = load_policy_text(kShopPolicy, "shop.toml");
    ASSERT_TRUE(loaded_.policy) << messages_of(loaded_);
    policy_ = *loaded_.policy;
  }
  LoadedPolicy loaded_;
  Policy policy_;
};

TEST_F(ShopPolicy, loads_without_a_finding) { EXPECT_EQ(messages_of(loaded_), ""); }

TEST_F(ShopPolicy, has_its_settings) {  // SG-64, CT-18
  EXPECT_EQ(policy_.account, "123456789012");
  EXPECT_EQ(policy_.tracking.mode, TcpMode::Strict);
  EXPECT_EQ(policy_.tracking.icmp_errors, IcmpErrorMode::Documented);
  EXPECT_EQ(policy_.tracking.syn_s, 15u);
  EXPECT_EQ(policy_.tracking.half_closed_s, 45u);
  EXPECT_EQ(policy_.tracking.time_wait_s, 20u);
  EXPECT_EQ(policy_.tracking.icmp_s, 25u);
  EXPECT_EQ(policy_.exempt, ExemptProfile::Aws);
}

TEST_F(ShopPolicy, has_its_network) {
  ASSERT_EQ(policy_.vpcs.size(), 2u);
  EXPECT_EQ(policy_.vpcs[0].id, "vpc-shop");
  EXPECT_EQ(policy_.vpcs[0].cidrs[1].cidr.to_string(), "fd00:10::/56");
  EXPECT_EQ(policy_.vpcs[0].at, (Position{16, 6}));
  ASSERT_EQ(policy_.subnets.size(), 2u);
  EXPECT_EQ(policy_.subnets[0].network_acl->id, "acl-front");
  EXPECT_FALSE(policy_.subnets[1].network_acl);
  ASSERT_EQ(policy_.peerings.size(), 1u);
  EXPECT_EQ(policy_.peerings[0].second.id, "vpc-office");
}

TEST_F(ShopPolicy, has_its_rules_completed) {  // SG-16, SG-17
  const SecurityGroup& web = policy_.groups[0];
  EXPECT_EQ(web.name, "web");
  EXPECT_EQ(web.tags.at(0), (std::pair<std::string, std::string>("team", "shop")));
  ASSERT_EQ(web.ingress.size(), 3u);
  EXPECT_EQ(web.ingress[0].id, "sgr-04cb58c6a96c73fa3");
  EXPECT_EQ(web.ingress[0].description, "HTTPS from anywhere");
  EXPECT_EQ(web.ingress[1].ports.low, 8000);
  EXPECT_EQ(web.ingress[1].ports.high, 8080);
  EXPECT_EQ(web.ingress[1].peer, RulePeer(GroupName{"sg-lb"}));
  EXPECT_EQ(web.ingress[1].tags, (Tags{{"ticket", "NET-7"}}));
  EXPECT_EQ(web.ingress[1].canonical, "sg-web|ingress|tcp|8000-8080|sg-lb");
  EXPECT_EQ(web.ingress[2].canonical, "sg-web|ingress|icmp|8/-1|pl-office");
}

TEST_F(ShopPolicy, allows_all_egress_where_it_is_left_out) {  // SG-4
  const SecurityGroup& web = policy_.groups[0];
  ASSERT_EQ(web.egress.size(), 2u);
  EXPECT_EQ(web.egress[0].canonical, "sg-web|egress|-1|-|0.0.0.0/0");
  EXPECT_EQ(web.egress[1].canonical, "sg-web|egress|-1|-|::/0");
  EXPECT_TRUE(web.egress[0].implied);
  EXPECT_TRUE(policy_.groups[1].egress.empty());
}

TEST_F(ShopPolicy, takes_protocols_as_words_and_numbers) {
  const SecurityGroup& ssh = policy_.groups[2];
  EXPECT_EQ(ssh.ingress[0].canonical, "sg-ssh|ingress|tcp|22-22|2001:db8::/32");
  EXPECT_EQ(ssh.egress[0].canonical, "sg-ssh|egress|-1|-|sg-ssh");
  EXPECT_EQ(ssh.egress[1].canonical, "sg-ssh|egress|47|-|10.0.0.0/8");
}

TEST_F(ShopPolicy, has_its_interfaces) {  // CT-17
  const Eni& web = policy_.interfaces[0];
  EXPECT_EQ(web.mac->to_string(), "02:00:00:00:01:10");
  EXPECT_EQ(web.addresses.at(1).address.to_string(), "fd00:10:0:1::10");
  EXPECT_EQ(web.security_groups.at(1).id, "sg-ssh");
  EXPECT_EQ(web.instance, "i-web1");
  EXPECT_EQ(web.tracking.tcp_established_s, 400u);
  EXPECT_EQ(web.tracking.udp_s, 35u);
  EXPECT_EQ(web.tracking.udp_stream_s, 170u);
  EXPECT_EQ(policy_.interfaces[1].tracking.tcp_established_s, 350u);
}

TEST_F(ShopPolicy, gives_an_interface_without_groups_the_default_one) {  // SG-5
  const Eni& db = policy_.interfaces[1];
  EXPECT_TRUE(db.groups_left_out);
  ASSERT_EQ(db.security_groups.size(), 1u);
  EXPECT_EQ(db.security_groups[0].id, "sg-default-shop");
}

TEST_F(ShopPolicy, has_a_default_group_in_each_vpc) {
  ASSERT_EQ(policy_.groups.size(), 5u);
  const SecurityGroup& shop = policy_.groups[3];
  EXPECT_TRUE(shop.implied);
  EXPECT_EQ(shop.vpc, "vpc-shop");
  ASSERT_EQ(shop.ingress.size(), 1u);
  EXPECT_EQ(shop.ingress[0].canonical, "sg-default-shop|ingress|-1|-|sg-default-shop");
  EXPECT_EQ(shop.egress.size(), 2u);
  // SG-5: ::/0 only where the VPC has an IPv6 block.
  EXPECT_EQ(policy_.groups[4].id, "sg-default-office");
  EXPECT_EQ(policy_.groups[4].egress.size(), 1u);
}

TEST_F(ShopPolicy, has_its_acl) {
  const NetworkAcl& acl = policy_.acls.at(0);
  EXPECT_EQ(acl.ingress.at(0).rule, 100u);
  EXPECT_TRUE(acl.ingress.at(0).allow);
  EXPECT_FALSE(acl.egress.at(0).allow);
  EXPECT_EQ(acl.egress.at(0).proto.number, ProtoMatch::kAll);
}

TEST_F(ShopPolicy, has_its_flow_log) {  // FL-37
  const FlowLog& log = policy_.flow_logs.at(0);
  EXPECT_EQ(log.traffic, LogTraffic::Reject);
  EXPECT_EQ(log.interval_s, 60u);
  EXPECT_EQ(log.fields, (std::vector<std::string>{"version", "rule-id", "srcaddr"}));
  EXPECT_EQ(log.path, "/var/log/sluice/flow.log");
  EXPECT_TRUE(log.header);
}

TEST(PolicyLoad, fills_in_a_flow_log_that_says_only_what_it_must) {
  const LoadedPolicy loaded =
      load_with_base("[[flow_log]]\nid='fl'\nresource='eni-a'\ndestination='file:/a'\n");
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  const FlowLog& log = loaded.policy->flow_logs.at(0);
  EXPECT_EQ(log.traffic, LogTraffic::All);
  EXPECT_EQ(log.interval_s, 600u);  // FL-11
  EXPECT_EQ(log.fields.size(), 14u);
  EXPECT_EQ(log.format, kDefaultLogFormat);
  EXPECT_FALSE(log.header);
}

TEST(PolicyLoad, takes_an_empty_document_for_a_policy_of_nothing) {  // SG-64
  for (const std::string_view text : {"", "# nothing\n", "{}"}) {
    const LoadedPolicy loaded = load_policy_text(text, "p");
    ASSERT_TRUE(loaded.policy) << messages_of(loaded);
    EXPECT_TRUE(loaded.policy->interfaces.empty());
    EXPECT_EQ(loaded.policy->tracking.mode, TcpMode::Loose);
    EXPECT_EQ(loaded.policy->exempt, ExemptProfile::None);
  }
}

TEST(PolicyLoad, takes_a_group_named_default_for_the_default_group) {
  const LoadedPolicy loaded = load_with_base(
      "[[security_group]]\nid='sg-mine'\nname='Default'\nvpc='vpc-a'\n"
      "[[interface]]\nid='eni-x'\nsubnet='subnet-a'\naddresses=['10.0.1.99']\n");
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  EXPECT_EQ(loaded.policy->interfaces.at(0).security_groups.at(0).id, "sg-mine");
  for (const SecurityGroup& group : loaded.policy->groups) EXPECT_NE(group.id, "sg-default-a");
}

TEST(PolicyLoad, lets_rules_name_the_default_group) {
  const LoadedPolicy loaded = load_with_base(
      "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\n"
      "ingress=[{protocol='-1',source='sg-default-a'}]\n");
  EXPECT_TRUE(loaded.policy) << messages_of(loaded);
}

TEST(PolicyLoad, names_the_default_group_of_a_vpc_without_the_prefix) {
  const LoadedPolicy loaded =
      load_policy_text("[[vpc]]\nid='lab'\ncidrs=['0.0.0.0/0','::/0']\n", "p");
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  EXPECT_EQ(loaded.policy->groups.at(0).id, "sg-default-lab");
}

TEST(PolicyLoad, lets_two_vpcs_have_the_same_addresses) {
  const LoadedPolicy loaded =
      load_with_base("[[interface]]\nid='eni-b'\nsubnet='subnet-b'\naddresses=['10.0.1.10']\n");
  EXPECT_TRUE(loaded.policy) << messages_of(loaded);
}

TEST(PolicyLoad, lets_rules_cross_a_peering_either_way) {  // SG-29
  for (const std::string_view order : {"['vpc-a','vpc-b']", "['vpc-b','vpc-a']"}) {
    const LoadedPolicy loaded = load_with_base(
        "[[peering]]\nvpcs=" + std::string(order) +
        "\n[[security_group]]\nid='sg-x'\nvpc='vpc-a'\ningress=[{protocol='-1',source='sg-b'}]\n"
        "[[security_group]]\nid='sg-y'\nvpc='vpc-b'\negress=[{protocol='-1',destination='sg-a'}]"
        "\n");
    EXPECT_TRUE(loaded.policy) << messages_of(loaded);
  }
}

TEST(PolicyLoad, names_the_host_bits_that_it_cuts) {
  const LoadedPolicy loaded = load_with_base(
      "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\n"
      "ingress=[{protocol='-1',source='100.68.0.18/18'}]\n");
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  EXPECT_EQ(short_findings(loaded), std::vector<std::string>{"4:32 note host-bits-cut"});
  EXPECT_EQ(loaded.policy->groups.at(0).ingress.at(0).canonical,
            "sg-x|ingress|-1|-|100.68.0.0/18");  // SG-18
}

TEST(PolicyLoad, takes_the_bounds_of_every_port_and_type) {  // SG-11
  const LoadedPolicy loaded = load_with_base(
      "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\ningress=[\n"
      "{protocol='tcp',ports=0,source='10.0.0.0/8'},\n"
      "{protocol='tcp',ports='65535',source='10.0.0.0/8'},\n"
      "{protocol='udp',ports='0-65535',source='10.0.0.0/8'},\n"
      "{protocol='icmp',type=255,code=255,source='10.0.0.0/8'},\n"
      "{protocol='icmp',source='10.0.0.0/8'},\n"
      "{protocol='icmpv6',type=-1,code=-1,source='::/0'},\n"
      "{protocol=0,source='10.0.0.0/8'},\n"
      "{protocol='255',source='10.0.0.0/8'},\n"
      "{protocol=-1,source='10.0.0.0/8'},\n"
      "{protocol='58',type=128,source='::/0'}]\n");
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  std::string texts;
  for (const SecurityRule& rule : loaded.policy->groups.at(0).ingress)
    texts += rule.canonical + "\n";
  EXPECT_EQ(texts,
            "sg-x|ingress|tcp|0-0|10.0.0.0/8\n"
            "sg-x|ingress|tcp|65535-65535|10.0.0.0/8\n"
            "sg-x|ingress|udp|0-65535|10.0.0.0/8\n"
            "sg-x|ingress|icmp|255/255|10.0.0.0/8\n"
            "sg-x|ingress|icmp|-1/-1|10.0.0.0/8\n"
            "sg-x|ingress|icmpv6|-1/-1|::/0\n"
            "sg-x|ingress|0|-|10.0.0.0/8\n"
            "sg-x|ingress|255|-|10.0.0.0/8\n"
            "sg-x|ingress|-1|-|10.0.0.0/8\n"
            "sg-x|ingress|icmpv6|128/-1|::/0\n");
}

TEST(PolicyLoad, shows_the_four_protocols_by_name_however_they_are_written) {  // SG-11, SG-15
  const LoadedPolicy loaded = load_with_base(
      "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\ningress=[\n"
      "{protocol=6,ports=80,source='10.0.0.0/8'},\n"
      "{protocol='17',ports=53,source='10.0.0.0/8'},\n"
      "{protocol='1',type=8,source='10.0.0.0/8'},\n"
      "{protocol=58,source='::/0'},\n"
      "{protocol='all',source='::/0'}]\n");
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  std::string texts;
  for (const SecurityRule& rule : loaded.policy->groups.at(0).ingress)
    texts += rule.canonical + "\n";
  EXPECT_EQ(texts,
            "sg-x|ingress|tcp|80-80|10.0.0.0/8\n"
            "sg-x|ingress|udp|53-53|10.0.0.0/8\n"
            "sg-x|ingress|icmp|8/-1|10.0.0.0/8\n"
            "sg-x|ingress|icmpv6|-1/-1|::/0\n"
            "sg-x|ingress|-1|-|::/0\n");
}

TEST(PolicyLoad, cuts_the_host_bits_of_an_acl_entry) {  // NA-12
  const LoadedPolicy loaded = load_with_base(
      "[[network_acl]]\nid='acl-x'\nvpc='vpc-a'\n"
      "ingress=[{rule=1,action='deny',protocol='-1',cidr='10.9.9.9/8'}]\n");
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  EXPECT_EQ(loaded.policy->acls.at(0).ingress.at(0).cidr.to_string(), "10.0.0.0/8");
}

TEST(PolicyLoad, takes_the_bounds_of_every_timer) {  // CT-11, CT-12, CT-13
  for (const std::string_view timers : {"{tcp_established=60,udp=30,udp_stream=60}",
                                        "{tcp_established=432000,udp=60,udp_stream=180}"}) {
    const LoadedPolicy loaded = load_with_base(
        "[[interface]]\nid='eni-x'\nsubnet='subnet-a'\naddresses=['10.0.1.99']\ntracking=" +
        std::string(timers) + "\n");
    EXPECT_TRUE(loaded.policy) << messages_of(loaded);
  }
}

TEST(PolicyLoad, takes_the_bounds_of_every_allowance) {  // CT-28
  for (const std::uint32_t flows : {1u, 1u << 30}) {
    const std::string text = std::to_string(flows);
    const LoadedPolicy loaded = load_policy_text(
        "[tracking]\nallowance=" + text +
            "\n[[vpc]]\nid='vpc-x'\ncidrs=['10.0.0.0/8']\n[[subnet]]\nid='subnet-x'\nvpc='vpc-x'\n"
            "cidrs=['10.0.1.0/24']\n[[interface]]\nid='eni-x'\nsubnet='subnet-x'\n"
            "addresses=['10.0.1.99']\ntracking={allowance=" +
            text + "}\n",
        "p.toml");
    ASSERT_TRUE(loaded.policy) << messages_of(loaded);
    EXPECT_EQ(loaded.policy->tracking.allowance, flows);
    EXPECT_EQ(loaded.policy->interfaces[0].tracking.allowance, flows);
  }
}

TEST(PolicyLoad, reads_json_by_its_first_brace) {
  const LoadedPolicy loaded =
      load_policy_text("\n  {\"vpc\":[{\"id\":\"vpc-a\",\"cidrs\":[\"10.0.0.0/8\"]}]}", "p.json");
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  EXPECT_EQ(loaded.policy->vpcs.at(0).at, (Position{2, 17}));
}

TEST(PolicyLoad, says_that_json_begins_with_a_byte_order_mark) {
  const LoadedPolicy loaded = load_policy_text("\xef\xbb\xbf {\"vpc\":[]}", "p.json");
  EXPECT_EQ(messages_of(loaded),
            "p.json:1:1: error: not valid JSON: it begins with a byte order mark; save it as UTF-8 "
            "without one\n");
  EXPECT_TRUE(load_policy_text("\xef\xbb\xbf# a TOML file\n", "p.toml").policy);
}

TEST(PolicyLoad, points_into_json) {
  const LoadedPolicy loaded = load_policy_json(
      "{\"vpc\":[{\"id\":\"vpc-a\",\n \"cidrs\":[\"10.0.0.0/8\", \"10.0.0.1\"],\n \"x\": {}}]}",
      "p");
  EXPECT_FALSE(loaded.policy);
  EXPECT_EQ(short_findings(loaded),
            (std::vector<std::string>{"2:25 error bad-cidr", "3:2 error unknown-key"}));
}

TEST(PolicyLoad, refuses_a_json_document_that_is_no_object) {
  EXPECT_EQ(short_findings(load_policy_json("[]", "p")),
            std::vector<std::string>{"1:1 error wrong-type"});
}

TEST(PolicyLoad, shows_every_error_of_a_file_not_the_first_only) {
  const LoadedPolicy loaded = load_with_base(
      "color = 1\n[[vpc]]\nid = 'vpc-x'\ncidrs = ['10.0.0.0']\n[[subnet]]\nvpc = 'vpc-y'\n"
      "cidrs = ['10.0.0.0/33']\n[[interface]]\nid = 'eni-x'\nsubnet = 'subnet-y'\n"
      "addresses = ['10.0.0.256']\nsecurity_groups = ['sg-y']\n");
  EXPECT_EQ(short_findings(loaded),
            (std::vector<std::string>{"1:1 error unknown-key", "4:10 error bad-cidr",
                                      "5:1 error missing-key", "6:7 error unknown-vpc",
                                      "7:10 error bad-cidr", "10:10 error unknown-subnet",
                                      "11:14 error bad-address", "12:20 error unknown-group"}));
  EXPECT_EQ(loaded.error().kind, ErrorKind::Invalid);
}

class PolicyFile : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sluice-policy-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/policy.toml";
  }
  void TearDown() override {
    std::remove(path_.c_str());
    rmdir(directory_.c_str());
  }
  std::string directory_;
  std::string path_;
};

TEST_F(PolicyFile, is_read_whole) {
  std::ofstream(path_) << kShopPolicy;
  const LoadedPolicy loaded = load_policy_file(path_);
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  EXPECT_EQ(loaded.policy->groups.size(), 5u);
}

TEST_F(PolicyFile, is_named_by_its_path_in_findings) {
  std::ofstream(path_) << "x = 1\n";
  const LoadedPolicy loaded = load_policy_file(path_);
  ASSERT_EQ(loaded.findings.size(), 1u);
  EXPECT_EQ(loaded.findings[0].file, path_);
}

TEST_F(PolicyFile, gives_its_bytes_once_to_who_wants_to_keep_them) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  std::thread writer([this] { std::ofstream(path_) << "account = 'a'\n"; });
  const PolicyText read = read_policy_file(path_);
  writer.join();
  EXPECT_EQ(read.text, "account = 'a'\n");
  EXPECT_TRUE(read.findings.empty());
  std::remove(path_.c_str());
  const PolicyText gone = read_policy_file(path_);
  EXPECT_FALSE(gone.text);
  EXPECT_EQ(error_of(gone.findings).code, "file-missing");
}

TEST_F(PolicyFile, that_is_missing_is_an_error) {
  const LoadedPolicy loaded = load_policy_file(path_);
  EXPECT_FALSE(loaded.policy);
  EXPECT_EQ(loaded.error().code, "file-missing");
  EXPECT_NE(loaded.error().sentence.find(path_), std::string::npos);
}

TEST_F(PolicyFile, that_is_a_directory_is_an_error) {
  EXPECT_EQ(load_policy_file(directory_).error().code, "file-unreadable");
}

TEST_F(PolicyFile, that_is_too_big_is_over_a_limit_and_not_read) {
  const int descriptor = open(path_.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(descriptor, 0);
  ASSERT_EQ(ftruncate(descriptor, (off_t{1} << 30) + 1), 0);  // holes only
  const LoadedPolicy loaded = load_policy_descriptor(descriptor, "big");
  close(descriptor);
  EXPECT_EQ(loaded.error().code, "file-too-big");
  EXPECT_EQ(loaded.error().kind, ErrorKind::LimitExceeded);
}

TEST_F(PolicyFile, can_come_through_a_pipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string text = "account = 'a'\n";
  ASSERT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(ends[1]);
  const LoadedPolicy loaded = load_policy_descriptor(ends[0], "pipe");
  close(ends[0]);
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  EXPECT_EQ(loaded.policy->account, "a");
}

}  // namespace
}  // namespace sluice
