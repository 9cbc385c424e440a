{#- An address kept as text becomes that of its network: /24 for IPv4, /48 for IPv6. What is no address becomes the mask. -#}
{% macro rule__truncate_ip(column, subject_id) -%}
    {{ return(adapter.dispatch('rule__truncate_ip', 'contributor_deletion')(column, subject_id)) }}
{%- endmacro %}

{#- The shape of an address, IPv4 or IPv6 with or without an IPv4 at its end. Each engine reads something more as one:
    a slash, a zone, three colons, a dot too many, decimal parts that begin with a zero (octal to some). -#}
{% macro pattern_of_an_address() -%}
    {%- set hexadecimal, decimal = '[0-9A-Fa-f]{1,4}', '(0|[1-9][0-9]{0,2})' -%}
    '^(::?)?({{ hexadecimal }}::?)*({{ hexadecimal }}|({{ decimal }}[.]){3}{{ decimal }})?$'
{%- endmacro %}

{% macro postgres__rule__truncate_ip(column, subject_id) -%}
    case
        when {{ column }} is null then null
        when {{ trimmed(column) }} !~ {{ pattern_of_an_address() }} then {{ mask_value() }}
        when not pg_input_is_valid({{ trimmed(column) }}, 'inet') then {{ mask_value() }}
        when family(cast({{ trimmed(column) }} as inet)) = 4
            then host(network(set_masklen(cast({{ trimmed(column) }} as inet), 24)))
        else host(network(set_masklen(cast({{ trimmed(column) }} as inet), 48)))
    end
{%- endmacro %}

{% macro clickhouse__rule__truncate_ip(column, subject_id) -%}
    multiIf(
        {{ column }} is null, {{ column }},
        not match({{ trimmed(column) }}, {{ pattern_of_an_address() }}), {{ mask_value() }},
        toIPv4OrNull({{ trimmed(column) }}) is not null,
        toString(tupleElement(IPv4CIDRToRange(assumeNotNull(toIPv4OrNull({{ trimmed(column) }})), 24), 1)),
        toIPv6OrNull({{ trimmed(column) }}) is not null,
        toString(tupleElement(IPv6CIDRToRange(assumeNotNull(toIPv6OrNull({{ trimmed(column) }})), 48), 1)),
        {{ mask_value() }}
    )
{%- endmacro %}
