{#- The mask, a hyphen and 32 hexadecimal digits that are the same for equal values of one person: SHA-256 of
    the person's salt and the value. The salt is a row of the target set, destroyed with it; where it is gone
    the mask alone stays. -#}
{% macro rule__hash(value, owner, type) -%}
    {{ return(adapter.dispatch('rule__hash', 'contributor_deletion')(value, owner)) }}
{%- endmacro %}

{% macro postgres__rule__hash(value, owner) -%}
    case
        when {{ value }} is null or {{ value }} ~ {{ pattern_of_a_hash() }} then {{ value }}
        else {{ mask_value() }} || coalesce(
            (
                select '-' || left(encode(sha256(convert_to(salts.value || {{ value }}, 'UTF8')), 'hex'), 32)
                from erasure.targets as salts
                where salts.batch_id = {{ batch_id() }} and salts.kind = 'salt' and salts.contributor_id = {{ owner }}
            ),
            ''
        )
    end
{%- endmacro %}

{% macro clickhouse__rule__hash(value, owner) -%}
    multiIf(
        {{ value }} is null or match({{ value }}, {{ pattern_of_a_hash() }}), {{ value }},
        {{ subject_attribute('salt', owner) }} = '', {{ mask_value() }},
        concat(
            {{ mask_value() }}, '-',
            substring(lower(hex(SHA256(concat({{ subject_attribute('salt', owner) }}, {{ value }})))), 1, 32)
        )
    )
{%- endmacro %}

{#- The form of what has been hashed, and of the mask alone. -#}
{% macro pattern_of_a_hash() -%}
    '^{{ mask_value() | trim | replace("'", "") }}(-[0-9a-f]{32})?$'
{%- endmacro %}
