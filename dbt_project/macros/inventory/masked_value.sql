{#- The new value of one column: by its rule; for each element of an array; or for the values within its JSON. -#}
{% macro masked_value(column, value, owner) -%}
    {{ return(adapter.dispatch('masked_value', 'contributor_deletion')(column, value, owner) | trim) }}
{%- endmacro %}

{% macro postgres__masked_value(column, value, owner) -%}
    {%- if column.parts[0].path -%}
        {{ masked_json(column, value, owner) }}
    {%- elif column.elements -%}
        case
            when {{ value }} is null then null
            else coalesce(
                cast((
                    select array_agg(
                        {{ rule(column.parts[0].rule, 'each_of.element', owner, column.type.lstrip('_')) }}
                        order by each_of.place
                    )
                    from unnest({{ value }}) with ordinality as each_of (element, place)
                ) as {{ column.type.lstrip('_') }}[]),
                {{ value }}
            )
        end
    {%- else -%}
        {{ rule(column.parts[0].rule, value, owner, column.type) }}
    {%- endif -%}
{%- endmacro %}

{% macro clickhouse__masked_value(column, value, owner) -%}
    {%- if column.elements -%}
        arrayMap(element -> {{ rule(column.parts[0].rule, 'element', owner, element_type(column.type)) }}, {{ value }})
    {%- else -%}
        {{ rule(column.parts[0].rule, value, owner, column.type) }}
    {%- endif -%}
{%- endmacro %}

{#- The type of an array's elements: what stands within Array( ). -#}
{% macro element_type(type) -%}
    {{ return(type[6:-1] if type.startswith('Array(') else type) }}
{%- endmacro %}
