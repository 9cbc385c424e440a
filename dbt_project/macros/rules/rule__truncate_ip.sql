{#- An address becomes that of its network: /24 for IPv4, /48 for IPv6. A text that is no address becomes the
    mask. -#}
{% macro rule__truncate_ip(value, owner, type) -%}
    {{ return(adapter.dispatch('rule__truncate_ip', 'contributor_deletion')(value, type)) }}
{%- endmacro %}

{#- The shape of an address, IPv4 or IPv6 with or without an IPv4 at its end. Each engine reads something more as one:
    a slash, a zone, three colons, a dot too many, decimal parts that begin with a zero (octal to some). -#}
{% macro pattern_of_an_address() -%}
    {%- set hexadecimal, decimal = '[0-9A-Fa-f]{1,4}', '(0|[1-9][0-9]{0,2})' -%}
    '^(::?)?({{ hexadecimal }}::?)*({{ hexadecimal }}|({{ decimal }}[.]){3}{{ decimal }})?$'
{%- endmacro %}

{% macro postgres__rule__truncate_ip(value, type) -%}
    {%- if type == 'inet' -%}
    case
        when family({{ value }}) = 4 then cast(host(network(set_masklen({{ value }}, 24))) as inet)
        else cast(host(network(set_masklen({{ value }}, 48))) as inet)
    end
    {%- elif type == 'cidr' -%}
    case
        when family({{ value }}) = 4 then set_masklen({{ value }}, 24)
        else set_masklen({{ value }}, 48)
    end
    {%- else -%}
    case
        when {{ value }} is null then null
        when {{ trimmed(value) }} !~ {{ pattern_of_an_address() }} then {{ mask_value() }}
        when not pg_input_is_valid({{ trimmed(value) }}, 'inet') then {{ mask_value() }}
        when family(cast({{ trimmed(value) }} as inet)) = 4
            then host(network(set_masklen(cast({{ trimmed(value) }} as inet), 24)))
        else host(network(set_masklen(cast({{ trimmed(value) }} as inet), 48)))
    end
    {%- endif -%}
{%- endmacro %}

{% macro clickhouse__rule__truncate_ip(value, type) -%}
    {%- if plain_type(type) == 'IPv4' -%}
    if({{ value }} is null, {{ value }}, tupleElement(IPv4CIDRToRange(assumeNotNull({{ value }}), 24), 1))
    {%- elif plain_type(type) == 'IPv6' -%}
    if({{ value }} is null, {{ value }}, tupleElement(IPv6CIDRToRange(assumeNotNull({{ value }}), 48), 1))
    {%- else -%}
    multiIf(
        {{ value }} is null, {{ value }},
        not match({{ trimmed(value) }}, {{ pattern_of_an_address() }}), {{ mask_value() }},
        toIPv4OrNull({{ trimmed(value) }}) is not null,
        toString(tupleElement(IPv4CIDRToRange(assumeNotNull(toIPv4OrNull({{ trimmed(value) }})), 24), 1)),
        toIPv6OrNull({{ trimmed(value) }}) is not null,
        toString(tupleElement(IPv6CIDRToRange(assumeNotNull(toIPv6OrNull({{ trimmed(value) }})), 48), 1)),
        {{ mask_value() }}
    )
    {%- endif -%}
{%- endmacro %}
