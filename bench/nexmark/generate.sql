-- bench/nexmark/generate.sql: the events of Nexmark as three tables, and as one
-- that has them all, as the original does; written in plain SQL. Event n is always
-- the same, whatever the number of events.
--
-- Of every 50 events the first is a person, three are auctions and 46 are bids;
-- 10,000 events a second of event time, in order. Half of the bids go to one hot
-- auction, three quarters come from one hot bidder; both change as time goes on.

CREATE SCHEMA nexmark;
CREATE TABLE nexmark.person (id bigint, name text, email_address text, credit_card text, city text, state text,
	date_time timestamp(3), extra text);
CREATE TABLE nexmark.auction (id bigint, item_name text, description text, initial_bid bigint, reserve bigint,
	date_time timestamp(3), expires timestamp(3), seller bigint, category bigint, extra text);
CREATE TABLE nexmark.bid (auction bigint, bidder bigint, price bigint, channel text, url text,
	date_time timestamp(3), extra text);
-- all events: kind 0 is a person, 1 an auction, 2 a bid
CREATE TABLE nexmark.event (kind int, date_time timestamp(3),
	bid_auction bigint, bid_bidder bigint, bid_price bigint, bid_channel text, bid_url text, bid_extra text,
	auction_id bigint, auction_item_name text, auction_description text, auction_initial_bid bigint, auction_reserve bigint,
	auction_expires timestamp(3), auction_seller bigint, auction_category bigint, auction_extra text,
	person_id bigint, person_name text, person_email_address text, person_credit_card text, person_city text, person_state text,
	person_extra text);

-- at random, but the same for the same n and purpose: in [0, 1), and of so many
CREATE FUNCTION nexmark.random(n bigint, purpose int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(n, purpose) & 4503599627370495) / 4503599627370496.0::float8;
CREATE FUNCTION nexmark.random(n bigint, purpose int, many bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(n, purpose) & 4611686018427387903) % many;
-- a text of letters and digits, so long
CREATE FUNCTION nexmark.random_text(n bigint, purpose int, length bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN left(repeat(md5((hashint8extended(n, purpose))::text), (length / 32 + 1)::int), length::int);

CREATE FUNCTION nexmark.event_time(n bigint) RETURNS timestamp LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN timestamp '2015-07-15' + n * interval '100 microseconds';
CREATE FUNCTION nexmark.price(n bigint, purpose int) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(100 * power(10.0::float8, 6 * nexmark.random(n, purpose)))::bigint;

-- ids count from 0 here; last ones when event n happens
CREATE FUNCTION nexmark.last_auction(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN n / 50 * 3 + CASE WHEN n % 50 = 0 THEN -1 WHEN n % 50 < 4 THEN n % 50 - 1 ELSE 2 END;
-- one of the last thousand people, or of ten to come
CREATE FUNCTION nexmark.some_person(n bigint, purpose int) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN greatest(n / 50 + 1 - 1000, 0) + nexmark.random(n, purpose, least(n / 50 + 1, 1000) + 10);

-- the events from .. to - 1
CREATE PROCEDURE nexmark.generate(low bigint, high bigint) LANGUAGE sql AS $$
	WITH person AS (
	INSERT INTO nexmark.person
	SELECT n / 50 + 1000,
		(ARRAY['Peter', 'Paul', 'Luke', 'John', 'Saul', 'Vicky', 'Kate', 'Julie', 'Sarah', 'Deiter', 'Walter'])[1 + nexmark.random(n, 1, 11)]
			|| ' ' || (ARRAY['Shultz', 'Abrams', 'Spencer', 'White', 'Bartels', 'Walton', 'Smith', 'Jones', 'Noris'])[1 + nexmark.random(n, 2, 9)],
		nexmark.random_text(n, 3, 7) || '@' || nexmark.random_text(n, 4, 5) || '.com',
		lpad(nexmark.random(n, 5, 10000)::text, 4, '0') || ' ' || lpad(nexmark.random(n, 6, 10000)::text, 4, '0') || ' 0000 0000',
		(ARRAY['Phoenix', 'Los Angeles', 'San Francisco', 'Boise', 'Portland', 'Bend', 'Redmond', 'Seattle', 'Kent', 'Cheyenne'])[1 + nexmark.random(n, 7, 10)],
		(ARRAY['AZ', 'CA', 'ID', 'OR', 'WA', 'WY'])[1 + nexmark.random(n, 8, 6)],
		nexmark.event_time(n), nexmark.random_text(n, 9, 90 + nexmark.random(n, 10, 60))
	FROM generate_series((low + 49) / 50 * 50, high - 1, 50) n
	RETURNING *), auction AS (
	INSERT INTO nexmark.auction
	SELECT nexmark.last_auction(n) + 1000, nexmark.random_text(n, 20, 20), nexmark.random_text(n, 21, 100),
		nexmark.price(n, 22), nexmark.price(n, 22) + nexmark.price(n, 23), nexmark.event_time(n),
		-- within twice the time that a hundred auctions take to arrive
		nexmark.event_time(n) + interval '1 millisecond' + nexmark.random(n, 24) * 2 * interval '166.7 milliseconds',
		1000 + CASE WHEN nexmark.random(n, 25, 4) > 0 THEN n / 50 / 100 * 100 ELSE nexmark.some_person(n, 26) END,
		10 + nexmark.random(n, 27, 5), nexmark.random_text(n, 28, 230 + nexmark.random(n, 29, 120))
	FROM generate_series(low / 50 * 50, high - 1, 50) block, generate_series(block + 1, block + 3) n
	WHERE n >= low AND n < high
	RETURNING *), bid AS (
	INSERT INTO nexmark.bid
	SELECT 1000 + CASE WHEN nexmark.random(n, 40, 2) > 0 THEN nexmark.last_auction(n) / 100 * 100
			ELSE greatest(nexmark.last_auction(n) - 100, 0)
				+ nexmark.random(n, 41, least(nexmark.last_auction(n), 100) + 1 + 10) END,
		2000 + CASE WHEN nexmark.random(n, 42, 4) > 0 THEN n / 50 / 100 * 100 + 1 ELSE nexmark.some_person(n, 43) END,
		nexmark.price(n, 44),
		CASE WHEN nexmark.random(n, 45, 2) > 0 THEN (ARRAY['Google', 'Facebook', 'Baidu', 'Apple'])[1 + nexmark.random(n, 46, 4)]
			ELSE 'channel-' || nexmark.random(n, 47, 10000) END,
		'https://www.nexmark.com/' || nexmark.random_text(n, 48, 5) || '/item.htm?query=1'
			|| CASE WHEN nexmark.random(n, 49) < 0.9 THEN '&channel_id=' || nexmark.random(n, 47, 10000) ELSE '' END,
		nexmark.event_time(n), nexmark.random_text(n, 50, 5 + nexmark.random(n, 51, 10))
	FROM generate_series(low, high - 1) n
	WHERE n % 50 > 3
	RETURNING *)
	INSERT INTO nexmark.event
	SELECT 0, date_time, NULL::bigint, NULL::bigint, NULL::bigint, NULL, NULL, NULL,
		NULL::bigint, NULL, NULL, NULL::bigint, NULL::bigint, NULL::timestamp, NULL::bigint, NULL::bigint, NULL,
		id, name, email_address, credit_card, city, state, extra
	FROM person
	UNION ALL
	SELECT 1, date_time, NULL, NULL, NULL, NULL, NULL, NULL,
		id, item_name, description, initial_bid, reserve, expires, seller, category, extra, NULL, NULL, NULL, NULL, NULL, NULL, NULL
	FROM auction
	UNION ALL
	SELECT 2, date_time, auction, bidder, price, channel, url, extra, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
		NULL, NULL, NULL, NULL, NULL, NULL, NULL
	FROM bid
	ORDER BY 2;
$$;
